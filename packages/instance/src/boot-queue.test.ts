import { describe, expect, it } from 'vitest'
import { BootQueue } from './boot-queue.ts'

/** Boots by name, which end when they are told to. */
function queueOf(max: number) {
  const queue = new BootQueue(max)
  const running = new Map<string, () => void>()
  const boot = (
    name: string,
    turn: { isUrgent?: () => boolean; isDoubtful?: boolean; signal?: AbortSignal } = {},
  ) =>
    queue.run(
      { isUrgent: () => false, isDoubtful: false, signal: new AbortController().signal, ...turn },
      () =>
        new Promise<void>((resolve) => {
          running.set(name, () => {
            running.delete(name)
            resolve()
          })
        }),
    )
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  const end = async (name: string) => {
    running.get(name)!()
    await settled()
  }
  return { queue, boot, end, settled, running: () => [...running.keys()].join(' ') }
}

const urgent = { isUrgent: () => true }
const doubtful = { isDoubtful: true }

describe('a boot queue', () => {
  it('lets no more boot at once than may, and the others in the order in which they came', async () => {
    const { queue, boot, end, settled, running } = queueOf(2)
    for (const name of ['a', 'b', 'c', 'd']) void boot(name)
    await settled()
    expect([running(), queue.running, queue.waiting]).toEqual(['a b', 2, 2])
    await end('b')
    expect(running()).toBe('a c')
    await end('a')
    await end('c')
    await end('d')
    expect([queue.running, queue.waiting]).toEqual([0, 0])
  })

  it('lets those first that somebody waits for, also when somebody has come since', async () => {
    const { queue, boot, end, settled, running } = queueOf(1)
    let isAwaited = false
    void boot('running')
    void boot('eager')
    void boot('awaited', { isUrgent: () => isAwaited })
    void boot('ordered', urgent)
    await settled()
    isAwaited = true
    queue.review()
    await settled()
    expect(running()).toBe('running')
    await end('running')
    expect(running()).toBe('awaited')
    await end('awaited')
    expect(running()).toBe('ordered')
    await end('ordered')
    expect(running()).toBe('eager')
  })

  it('keeps the last place from those that failed before, until somebody waits for them', async () => {
    const { queue, boot, end, settled, running } = queueOf(2)
    let isAwaited = false
    void boot('hangs', doubtful)
    void boot('again', { ...doubtful, isUrgent: () => isAwaited })
    await settled()
    expect(running()).toBe('hangs')
    void boot('sound')
    await settled()
    expect(running()).toBe('hangs sound')
    await end('sound')
    expect(running()).toBe('hangs')
    isAwaited = true
    queue.review()
    await settled()
    expect(running()).toBe('hangs again')
  })

  it('has a place for one that failed before where there is only one', async () => {
    const { boot, settled, running } = queueOf(1)
    void boot('again', doubtful)
    await settled()
    expect(running()).toBe('again')
  })

  it('passes over one whose wait is given up, and frees the place of one that fails', async () => {
    const { queue, boot, end, settled, running } = queueOf(1)
    const given = new AbortController()
    void boot('a')
    const gone = boot('b', { signal: given.signal })
    void boot('c')
    given.abort(new Error('stopped'))
    await expect(gone).rejects.toThrow('stopped')
    await expect(boot('d', { signal: given.signal })).rejects.toThrow('stopped')
    await settled()
    await end('a')
    expect(running()).toBe('c')
    await end('c')
    await expect(
      queue.run({ ...urgent, isDoubtful: false, signal: new AbortController().signal }, () =>
        Promise.reject(new Error('did not start')),
      ),
    ).rejects.toThrow('did not start')
    expect([queue.running, queue.waiting]).toEqual([0, 0])
  })
})

import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { closedGate, define, laboratory, lives, nameOf } from './fixtures/laboratory.ts'

const patient = () => ({ signal: new AbortController().signal, navigation: false })

describe('with as many instances running as may', () => {
  it('the longest idle one is stopped to make room for another', async () => {
    const { ask, supervisor, status } = await laboratory(
      ['a', 'b', 'c'].map((name) => define(name, 'serves')),
      { pool: { max: 2 } },
    )
    const longest = await ask('a')
    await ask('b')
    await ask('c')
    expect(lives(longest.pid)).toBe(false)
    expect(['a', 'b', 'c'].map((name) => status(name).state)).toEqual(['stopped', 'ready', 'ready'])
    expect(supervisor.status().pool).toMatchObject({ max: 2, running: 2 })
    await ask('a')
    expect(status('b').state).toBe('stopped')
  })

  it('a busy one is never stopped: a request is told to come back, an operator what to do', async () => {
    const { ask, supervisor, status } = await laboratory(
      ['a', 'b'].map((name) => define(name, 'serves')),
      { pool: { max: 1 } },
    )
    const lease = await supervisor.claim(nameOf('a'), patient())
    await expect(ask('b')).rejects.toMatchObject({ code: 'instance_busy', retryAfter: expect.any(Number) })
    await expect(supervisor.start(nameOf('b'))).rejects.toMatchObject({ code: 'pool_full' })
    expect(status('b').state).toBe('stopped')
    lease.release()
    await ask('b')
    expect(status('a').state).toBe('stopped')
  })

  it('a restart by overlap needs no room of its own', async () => {
    const { ask, supervisor } = await laboratory([define('a', 'serves')], { pool: { max: 1 } })
    await ask('a')
    await supervisor.restart(nameOf('a'))
    expect(supervisor.status().pool.running).toBe(1)
  })

  it('many users of few places are all served in the end', async () => {
    const names = ['a', 'b', 'c', 'd']
    const { ask, supervisor } = await laboratory(
      names.map((name) => define(name, 'serves')),
      { pool: { max: 2 } },
    )
    const served = await Promise.all(
      names.map(async (name) => {
        for (let attempt = 0; attempt < 100; attempt++) {
          const answer = await ask(name).catch(() => undefined)
          if (answer) return answer.environment['MUX_INSTANCE']
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        return undefined
      }),
    )
    expect(served).toEqual(names)
    expect(supervisor.status().pool.running).toBeLessThanOrEqual(2)
  })
})

describe('with as many instances starting as may', () => {
  const eager = (BOOT_WHILE: string) => (name: string) =>
    define(name, 'serves', { boot: 'eager', settings: { BOOT_WHILE } })

  it('eager ones wait for their turn, and one that an operator or a request waits for goes before them', async () => {
    const names = ['a', 'b', 'c', 'd']
    const gate = closedGate()
    const { ask, supervisor, status, events } = await laboratory(
      [...names.map(eager(gate.path)), define('ordered', 'serves'), define('asked', 'serves')],
      { pool: { parallelBoots: 2 } },
    )
    const ordered = supervisor.start(nameOf('ordered'))
    const asked = ask('asked')
    await expect
      .poll(() => supervisor.status().pool)
      .toMatchObject({ parallelBoots: 2, booting: 2, waiting: 4 })
    expect(status('c')).toMatchObject({
      state: 'starting',
      generation: null,
      reason: expect.stringContaining('waits until others have started'),
    })
    gate.open()
    await Promise.all([ordered, asked])
    await expect.poll(() => names.map((name) => status(name).state)).toEqual(names.map(() => 'ready'))
    const order = events.filter(({ event }) => event === 'started' || event === 'ready')
    let booting = 0
    for (const { event } of order) expect((booting += event === 'started' ? 1 : -1)).toBeLessThanOrEqual(2)
    const started = order.filter(({ event }) => event === 'started').map(({ instance }) => instance)
    expect(new Set(started.slice(2, 4))).toEqual(new Set(['ordered', 'asked']))
    expect(supervisor.status().pool).toMatchObject({ booting: 0, waiting: 0 })
  })

  it('one that waits for its turn has it next when an operator starts it', async () => {
    const names = ['a', 'b', 'c', 'd']
    const gate = closedGate()
    const { supervisor, status, events } = await laboratory(names.map(eager(gate.path)), {
      pool: { parallelBoots: 1 },
    })
    await expect.poll(() => supervisor.status().pool.waiting).toBe(3)
    const ordered = supervisor.start(nameOf('d'))
    gate.open()
    await ordered
    await expect.poll(() => status('c').state).toBe('ready')
    const started = events.filter(({ event }) => event === 'started').map(({ instance }) => instance)
    expect(started.slice(0, 2)).toEqual([nameOf('a'), nameOf('d')])
  })

  it('one that waits for its turn is stopped at once by order, and tells those who wait for it', async () => {
    const { ask, supervisor, status } = await laboratory(
      [define('hangs', 'never-listens', { boot: 'eager' }), define('b', 'serves')],
      { pool: { parallelBoots: 1 } },
    )
    const asked = ask('b').catch((error: unknown) => error)
    await expect.poll(() => status('b')).toMatchObject({ state: 'starting', waiting: 1 })
    expect(await supervisor.stop(nameOf('b'))).toMatchObject({ state: 'stopped' })
    expect(await asked).toMatchObject({ code: 'instance_stopped' })
    expect(supervisor.status().pool).toMatchObject({ running: 1, booting: 1, waiting: 0 })
  })
})

describe('an instance that nobody uses', () => {
  it('is stopped after the time that its settings say, and comes back with the next request', async () => {
    const { ask, status, events } = await laboratory([define('a', 'serves', { idle: 300 })])
    const { pid } = await ask('a')
    await expect.poll(() => status('a').state).toBe('stopped')
    expect(lives(pid)).toBe(false)
    expect(events.map(({ event }) => event)).toContain('idle')
    expect((await ask('a')).pid).not.toBe(pid)
  })

  it('is not one that has a request or an open socket', async () => {
    const { ask, supervisor, status } = await laboratory([define('a', 'serves', { idle: 150 })])
    const lease = await supervisor.claim(nameOf('a'), patient())
    const { pid } = await ask('a', '/slow?ms=600')
    expect(status('a')).toMatchObject({ state: 'ready', generation: { pid } })
    lease.release()
    await expect.poll(() => status('a').state).toBe('stopped')
  })

  it('is neither kept awake nor started by paths that do not count, and answers them while it runs', async () => {
    const { ask, supervisor, status } = await laboratory([
      define('a', 'serves', { idle: 400, idleIgnore: ['/ping'] }),
    ])
    const monitor = () => ask('a', '/ping', { target: '/ping?from=monitor' })
    await expect(monitor()).rejects.toMatchObject({ code: 'instance_idle', status: 503 })
    expect(status('a')).toMatchObject({ state: 'stopped', waiting: 0 })
    const { pid } = await ask('a')
    const used = Date.parse(status('a').lastActivity!)
    const open = await supervisor.claim(nameOf('a'), { ...patient(), target: '/ping', activity: 'socket' })
    while (status('a').state === 'ready') expect((await monitor()).pid).toBe(pid)
    await expect(monitor()).rejects.toMatchObject({ code: 'instance_idle' })
    open.release()
    await expect.poll(() => status('a').state).toBe('stopped')
    expect(Math.abs(Date.parse(status('a').lastActivity!) - used)).toBeLessThan(200)
  })

  it('that is just starting holds a request to a path that does not count as any other', async () => {
    const { ask } = await laboratory([
      define('a', 'serves', { idleIgnore: ['/*'], boot: 'eager', settings: { BOOT_MS: '300' } }),
    ])
    expect((await ask('a', '/', { target: '/' })).pid).toBeGreaterThan(1)
  })

  it('says what it was used for last, and when it will be stopped, which is never under way', async () => {
    const { ask, supervisor, status } = await laboratory([define('a', 'serves', { idle: 60_000 })])
    expect(status('a')).toMatchObject({ lastActivityBy: null, idleStop: null })
    await ask('a', '/', { activity: 'upload' })
    const { lastActivity, lastActivityBy, idleStop } = status('a')
    expect(lastActivityBy).toBe('upload')
    expect(Math.abs(Date.parse(idleStop!) - Date.parse(lastActivity!) - 60_000)).toBeLessThan(1_000)
    const socket = await supervisor.claim(nameOf('a'), { ...patient(), activity: 'socket' })
    expect(status('a')).toMatchObject({ lastActivityBy: 'socket', idleStop: null })
    socket.release()
    expect(status('a').idleStop).not.toBeNull()
  })

  it.each([3_600_000, -3_600_000])(
    'is stopped in its time, although the clock jumps by %i ms',
    async (jump) => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
      onTestFinished(() => void vi.useRealTimers())
      const { ask, status } = await laboratory([define('a', 'serves', { idle: 1_500 })])
      const { pid } = await ask('a')
      vi.setSystemTime(Date.now() + jump)
      const left = Date.parse(status('a').idleStop!) - Date.now()
      expect(left > 0 && left <= 1_500, `${left} ms left`).toBe(true)
      expect((await ask('a')).pid).toBe(pid)
      await expect.poll(() => status('a').state).toBe('stopped')
    },
  )

  it('loses no request that comes in the moment of stopping', async () => {
    const { ask, status } = await laboratory([
      define('a', 'serves', { idle: 100, settings: { DRAIN_MS: '50' } }),
    ])
    const generations = new Set<number>()
    for (let round = 0; round < 6; round++) {
      generations.add((await ask('a')).pid)
      await new Promise((resolve) => setTimeout(resolve, 97 + round))
      for (const { pid } of await Promise.all([ask('a'), ask('a'), ask('a')])) generations.add(pid)
    }
    expect(generations.size).toBeGreaterThan(1)
    expect(status('a').crashes).toBe(0)
  })
})

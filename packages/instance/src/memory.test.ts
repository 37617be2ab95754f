import { spawn } from 'node:child_process'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { endTree } from './end-tree.ts'
import { define, laboratory } from './fixtures/laboratory.ts'
import type { Generation } from './generation.ts'
import { MemoryGuard } from './memory-guard.ts'
import { MemoryWatch } from './memory-watch.ts'
import { isAlive, startTimeOf } from './process-tree.ts'
import { exitText } from './running-process.ts'

const MIB = 2 ** 20

/** Runs a script in bash, as the first of a tree that is ended with the test. */
function tree(script: string) {
  const marker = `django1.1.${process.hrtime.bigint()}`
  const environment = { MUX_GENERATION: marker, PATH: process.env['PATH'] }
  const child = spawn('bash', ['-c', script], { detached: true, stdio: 'ignore', env: environment })
  const identity = { pid: child.pid!, startTime: startTimeOf(child.pid!), marker }
  const hurry = AbortSignal.abort()
  onTestFinished(async () => {
    await endTree(identity, { signal: 'SIGTERM', limit: 0, hurry, isAlive: () => isAlive(identity) })
  })
  return identity
}

/** What a watch with these limits tells. That a shell has so much takes it a second of a processor, and many on a busy machine. */
async function told(identity: ReturnType<typeof tree>, limits: number[]): Promise<(number | undefined)[]> {
  const watch = new MemoryWatch(50)
  const found = new Map<number, number>()
  const ends = limits.map((limit) => watch.watch(identity, limit, (bytes) => found.set(limit, bytes)))
  await expect.poll(() => found.has(limits[0]!)).toBe(true)
  await new Promise((resolve) => setTimeout(resolve, 300))
  for (const end of ends) end()
  return limits.map((limit) => found.get(limit))
}

const HOLDS_100_MIB = 'kept=$(head -c 104857600 /dev/zero | tr "\\0" x)'

describe('the memory of a process tree', () => {
  it('is that of all its processes, whatever session they are in', async () => {
    const identity = tree(`setsid bash -c '${HOLDS_100_MIB}; sleep 60; :' & wait`)
    const [bytes, enough] = await told(identity, [90 * MIB, 300 * MIB])
    expect(bytes).toBeGreaterThan(90 * MIB)
    expect(enough).toBeUndefined()
  })

  it('counts once what its processes share', async () => {
    const identity = tree(`${HOLDS_100_MIB}; for i in 1 2 3 4; do (sleep 60; :) & done; wait`)
    const [bytes, enough] = await told(identity, [90 * MIB, 300 * MIB])
    expect(bytes).toBeLessThan(300 * MIB)
    expect(enough).toBeUndefined()
  })
})

describe('an instance that takes more memory than it may', () => {
  it('is replaced as its settings say, with what it started, and nobody notices', async () => {
    const changes = { settings: { MIB: '150' }, limits: { memory: 160 * MIB } }
    const { ask, events, status } = await laboratory([
      define('django1', 'grows', changes),
      define('django2', 'grows', { ...changes, restart: 'replace' }),
    ])
    const names = ['django1', 'django2']
    const pids = await Promise.all(names.map(async (name) => (await ask(name)).pid))
    for (const pid of pids) process.kill(pid, 'SIGUSR2')
    const untilReplaced = async (name: string, old: number) => {
      for (;;) if ((await ask(name)).pid !== old) return
    }
    await Promise.all(names.map((name, i) => untilReplaced(name, pids[i]!)))
    const exceeded = events.filter(({ event }) => event === 'memory_exceeded')
    expect(exceeded).toHaveLength(2)
    expect(exceeded).toContainEqual({
      event: 'memory_exceeded',
      instance: 'django1',
      generation: 1,
      pid: pids[0],
      bytes: expect.any(Number),
      limit: 160 * MIB,
    })
    await expect.poll(() => events.filter(({ event }) => event === 'ended')).toHaveLength(2)
    expect(status('django1')).toMatchObject({ state: 'ready', crashes: 0 })
    const order = (name: string) =>
      events.filter(({ instance }) => instance === name).map(({ event }) => event)
    const after = (name: string) => order(name).slice(order(name).indexOf('memory_exceeded') + 1)
    expect(after('django1')).toEqual(['started', 'ready', 'ended'])
    expect(after('django2')).toEqual(['ended', 'started', 'ready'])
  })
})

describe('one that does so again and again', () => {
  afterEach(() => void vi.useRealTimers())

  it('is let go on for longer and longer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const generation = { definition: define('a', 'serves', { limits: { memory: MIB } }), readyAt: 0 }
    // It takes too much at every look.
    const watch = {
      watch: (_: unknown, __: number, exceeded: (bytes: number) => void) => (exceeded(MIB + 1), () => {}),
    }
    const delays: number[] = []
    let since = 0
    const guard = new MemoryGuard({
      watch: watch as unknown as MemoryWatch,
      exceeded: () => {},
      replace: async () => {
        delays.push(since)
        since = 0
        throw new Error('It did not become ready.')
      },
    })
    guard.guard(generation as unknown as Generation)
    for (; delays.length < 9; since += 100) await vi.advanceTimersByTimeAsync(100)
    guard.stop()
    for (const [i, seconds] of [0.5, 1, 2, 4, 8, 16, 32, 60, 60].entries()) {
      expect(delays[i]! / 1000).toBeGreaterThan(seconds * 0.8 - 0.2)
      expect(delays[i]! / 1000).toBeLessThan(seconds * 1.2 + 0.2)
    }
    expect(vi.getTimerCount()).toBe(0)
  })
})

it('a process that the kernel ended for want of memory is told by that', () => {
  const exit = { code: null, by: 'crash', at: new Date(), outOfMemory: true } as const
  expect(exitText({ ...exit, signal: 'SIGKILL' })).toBe(
    'ran out of memory (limits.memory), so that the system ended it by SIGKILL',
  )
  expect(exitText({ ...exit, signal: 'SIGKILL', outOfMemory: false })).toBe('was ended by SIGKILL')
})

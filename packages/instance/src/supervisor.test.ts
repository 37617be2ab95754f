import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { define, laboratory, lives, nameOf } from './fixtures/laboratory.ts'

const django1 = nameOf('django1')
const patient = () => ({ signal: new AbortController().signal, navigation: false })

describe('a lazy instance', () => {
  it('is booted once by a hundred requests that come at the same time, and answers all', async () => {
    const { ask, events, status } = await laboratory([define('django1', 'serves')])
    expect(status('django1')).toMatchObject({ state: 'stopped', generation: null, lastActivity: null })
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask('django1')))
    expect(new Set(answers.map(({ pid }) => pid)).size).toBe(1)
    expect(events.filter(({ event }) => event === 'started')).toHaveLength(1)
    expect(status('django1')).toMatchObject({
      state: 'ready',
      inFlight: 0,
      waiting: 0,
      generation: { number: 1, pid: answers[0]!.pid },
      lastActivity: expect.stringMatching(/^\d{4}-/),
    })
  })

  it('counts what it is serving', async () => {
    const { supervisor, status } = await laboratory([define('django1', 'serves')])
    const leases = await Promise.all([
      supervisor.claim(django1, patient()),
      supervisor.claim(django1, patient()),
    ])
    expect(status('django1').inFlight).toBe(2)
    leases[0].release()
    leases[0].release()
    expect(status('django1').inFlight).toBe(1)
    leases[1].release()
  })

  it('leases at once when it is ready, with nothing between choice and lease', async () => {
    const { ask, supervisor } = await laboratory([define('django1', 'serves')])
    await ask('django1')
    const lease = supervisor.claim(django1, patient())
    expect(lease).not.toBeInstanceOf(Promise)
    ;(await lease).release()
  })

  it('tells a browser after 1.5 s that it is starting, while an API client waits for it', async () => {
    const { ask } = await laboratory([define('django1', 'serves', { settings: { BOOT_MS: '2000' } })])
    const page = ask('django1', '/', { navigation: true }).catch((error: unknown) => error)
    const answer = ask('django1')
    expect(await page).toMatchObject({
      code: 'instance_starting',
      detail: expect.stringMatching(/^It has been starting for \d+ s, and has 60 s at most\.$/),
    })
    expect((await answer).pid).toBeGreaterThan(1)
  })

  it('lets no more wait than its queue holds, and none for longer than its limit', async () => {
    const limits = { queue: 2, hold: 300, start: 1_000 }
    const { ask, supervisor, status } = await laboratory([define('django1', 'never-listens', { limits })])
    const held = [ask('django1'), ask('django1')].map((asked) => asked.catch((error: unknown) => error))
    expect(() => supervisor.claim(django1, patient())).toThrow(
      expect.objectContaining({ code: 'instance_busy' }),
    )
    expect(status('django1').waiting).toBe(2)
    for (const outcome of held)
      expect(await outcome).toMatchObject({ code: 'instance_start_timeout', status: 504 })
  })

  it('starts an instance that nobody may wait for, too, and is then refused', async () => {
    const { ask, status } = await laboratory([define('django1', 'serves', { limits: { queue: 0 } })])
    await expect(ask('django1')).rejects.toMatchObject({ code: 'instance_busy' })
    await expect.poll(() => status('django1').state).toBe('ready')
    expect((await ask('django1')).pid).toBe(status('django1').generation!.pid)
  })

  it('that is not ready in time says so to those who wait, and to others that it does not start', async () => {
    const limits = { start: 300 }
    const { ask } = await laboratory([define('django1', 'never-listens', { limits })])
    const outcomes = await Promise.all([1, 2].map(() => ask('django1').catch((error: unknown) => error)))
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ code: 'instance_start_timeout', status: 504, retryAfter: 1 })
    await expect(ask('django1')).rejects.toMatchObject({ code: 'instance_failed' })
  })

  it('that fails to start says so to those who wait, at once', async () => {
    const { ask, status } = await laboratory([define('django1', 'exits-at-once')])
    const outcomes = await Promise.all([1, 2, 3].map(() => ask('django1').catch((error: unknown) => error)))
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 'instance_failed', status: 503 })
    expect(status('django1')).toMatchObject({
      state: 'failed',
      reason: 'It exited with code 3 before it was ready.',
      lastExit: { code: 3, signal: null, by: 'crash' },
      nextTry: expect.stringMatching(/^\d{4}-/),
    })
  })
})

describe('a name', () => {
  it('that is not defined is refused, to a request and to an operator', async () => {
    const { supervisor } = await laboratory([])
    expect(() => supervisor.claim(django1, patient())).toThrow(
      expect.objectContaining({ code: 'instance_undefined' }),
    )
    for (const order of ['start', 'stop', 'restart'] as const) {
      await expect(supervisor[order](django1)).rejects.toMatchObject({ code: 'instance_not_found' })
    }
  })
})

describe('an eager instance', () => {
  it('is booted with the supervisor, and one that fails keeps nobody from theirs', async () => {
    const { ask, status } = await laboratory([
      define('broken', 'exits-at-once', { boot: 'eager' }),
      define('django1', 'serves', { boot: 'eager' }),
      define('django2', 'serves'),
    ])
    await expect.poll(() => status('django1').state).toBe('ready')
    await expect.poll(() => status('broken').state).toBe('failed')
    expect(status('django2').state).toBe('stopped')
    await ask('django2')
  })

  it('stops nobody to find room', async () => {
    const definitions = ['a', 'b', 'c'].map((name) => define(name, 'serves', { boot: 'eager' }))
    const { status, supervisor } = await laboratory(definitions, { pool: { max: 2 } })
    await expect.poll(() => ['a', 'b'].map((name) => status(name).state)).toEqual(['ready', 'ready'])
    expect(status('c').state).toBe('stopped')
    expect(supervisor.status().pool).toMatchObject({ max: 2, running: 2 })
  })
})

describe('the operator', () => {
  it('starts and stops an instance, again without effect', async () => {
    const { supervisor } = await laboratory([define('django1', 'serves')])
    const started = await supervisor.start(django1)
    expect(started.state).toBe('ready')
    expect((await supervisor.start(django1)).generation).toEqual(started.generation)
    expect(await supervisor.stop(django1)).toMatchObject({
      state: 'stopped',
      generation: null,
      lastExit: { code: 0, by: 'us' },
    })
    expect(lives(started.generation!.pid)).toBe(false)
    expect((await supervisor.stop(django1)).state).toBe('stopped')
  })

  it('may close an instance: requests get the message, orders the way to open it, and nothing boots', async () => {
    let message: string | undefined = 'Back at noon.'
    const { ask, supervisor, status } = await laboratory([define('django1', 'serves', { boot: 'eager' })], {
      closed: () => (message === undefined ? undefined : { message }),
    })
    expect(() => supervisor.claim(django1, patient())).toThrow(
      expect.objectContaining({ code: 'instance_stopped', detail: 'Back at noon.' }),
    )
    for (const order of ['start', 'restart'] as const) {
      await expect(supervisor[order](django1)).rejects.toMatchObject({
        code: 'instance_disabled',
        hint: 'mux instance start django1',
      })
    }
    expect(status('django1')).toMatchObject({ state: 'disabled', reason: 'Back at noon.', generation: null })
    message = undefined
    await ask('django1')
  })

  it('stops an instance that is starting, and those who wait are told', async () => {
    const { ask, supervisor, status } = await laboratory([define('django1', 'never-listens')])
    const held = ask('django1').catch((error: unknown) => error)
    await expect.poll(() => status('django1').generation?.pid).toBeGreaterThan(1)
    const { pid } = status('django1').generation!
    expect((await supervisor.stop(django1)).state).toBe('stopped')
    expect(await held).toMatchObject({ code: 'instance_stopped' })
    expect(lives(pid)).toBe(false)
  })

  it('is told when the start that was ordered was given up for a later stop', async () => {
    const { supervisor, status } = await laboratory([define('django1', 'never-listens')])
    const starting = supervisor.start(django1).catch((error: unknown) => error)
    await expect.poll(() => status('django1').state).toBe('starting')
    const [, outcome] = await Promise.all([supervisor.stop(django1), starting])
    expect(outcome).toMatchObject({
      code: 'instance_failed',
      message: 'It was stopped while it was starting.',
    })
  })

  it('starts an instance that is stopping: it comes back when it is gone', async () => {
    const { supervisor, status } = await laboratory([
      define('django1', 'serves', { settings: { DRAIN_MS: '300' } }),
    ])
    const { pid } = (await supervisor.start(django1)).generation!
    const stopping = supervisor.stop(django1)
    const again = await supervisor.start(django1)
    await stopping
    expect(lives(pid)).toBe(false)
    expect(again.generation).toMatchObject({ number: 2 })
    expect(status('django1').state).toBe('ready')
  })

  it('gives start, stop and restart in a row, and the last one counts', async () => {
    const { supervisor, status } = await laboratory([define('django1', 'serves')])
    await supervisor.start(django1)
    const orders = [supervisor.restart(django1), supervisor.stop(django1), supervisor.start(django1)]
    orders.push(supervisor.restart(django1), supervisor.stop(django1))
    await Promise.allSettled(orders)
    expect(status('django1')).toMatchObject({ state: 'stopped', generation: null })
    const last = [supervisor.stop(django1), supervisor.restart(django1)]
    await Promise.all(last)
    expect(status('django1').state).toBe('ready')
  })
})

describe('a request that comes while an instance is stopping', () => {
  it('is held, and served by the next generation', async () => {
    const { ask, supervisor } = await laboratory([
      define('django1', 'serves', { settings: { DRAIN_MS: '300' } }),
    ])
    const { pid } = await ask('django1')
    const stopping = supervisor.stop(django1)
    const answers = await Promise.all([ask('django1'), ask('django1')])
    await stopping
    expect(answers[0].pid).not.toBe(pid)
    expect(answers[1].pid).toBe(answers[0].pid)
  })
})

describe('a stop', () => {
  it('lets what is under way come to its end', async () => {
    const { ask, supervisor } = await laboratory([define('django1', 'serves')])
    const { pid } = await ask('django1')
    const slow = ask('django1', '/slow?ms=500')
    await supervisor.stop(django1)
    expect((await slow).pid).toBe(pid)
  })

  it('tells what has not ended at the drain limit to end now', async () => {
    const { supervisor } = await laboratory([define('django1', 'serves', { limits: { drain: 200 } })])
    const lease = await supervisor.claim(django1, patient())
    const began = performance.now()
    const stopping = supervisor.stop(django1)
    await new Promise<void>((resolve) =>
      lease.ended.addEventListener('abort', () => resolve(), { once: true }),
    )
    expect(performance.now() - began).toBeGreaterThan(195)
    expect(lease.leaving).toBe(true)
    lease.release()
    await stopping
  })
})

describe('new definitions', () => {
  it('are told apart into added, removed and changed, and a change holds from the next generation on', async () => {
    const keep = define('keep', 'serves')
    const { ask, status, supervisor } = await laboratory([
      keep,
      define('django1', 'serves', { settings: { COLOUR: 'red' } }),
      define('leave', 'serves'),
    ])
    const before = await ask('django1')
    const { pid } = await ask('leave')
    const report = supervisor.define([
      structuredClone(keep),
      define('django1', 'serves', { settings: { COLOUR: 'blue' } }),
      define('come', 'serves'),
    ])
    expect(report).toEqual({ added: ['come'], removed: ['leave'], changed: ['django1'] })
    await expect(ask('leave')).rejects.toMatchObject({ code: 'instance_undefined' })
    await expect.poll(() => lives(pid)).toBe(false)
    await expect.poll(() => status('leave')).toBeUndefined()
    await ask('come')
    expect((await ask('django1')).environment['COLOUR']).toBe('red')
    expect((await ask('django1')).pid).toBe(before.pid)
    await supervisor.restart(django1)
    expect((await ask('django1')).environment['COLOUR']).toBe('blue')
  })

  it('that bring an instance back while it is ending let it end first', async () => {
    const definition = define('django1', 'serves', { settings: { DRAIN_MS: '300' } })
    const { ask, events, supervisor } = await laboratory([definition])
    const { pid } = await ask('django1')
    supervisor.define([])
    supervisor.define([definition])
    const again = await ask('django1')
    expect(again.pid).not.toBe(pid)
    expect(lives(pid)).toBe(false)
    expect(events.map(({ event }) => event)).toEqual(['started', 'ready', 'ended', 'started', 'ready'])
    expect(supervisor.status().instances).toHaveLength(1)
  })

  it('let an instance that had failed be tried again by the next request', async () => {
    const { ask, supervisor, status } = await laboratory([
      define('django1', 'serves', { command: ['no-such-program'] }),
    ])
    await expect(ask('django1')).rejects.toMatchObject({ code: 'instance_failed' })
    expect(status('django1')).toMatchObject({ state: 'failed', nextTry: null })
    await expect(ask('django1')).rejects.toMatchObject({ code: 'instance_failed', retryAfter: 60 })
    supervisor.define([define('django1', 'serves')])
    await ask('django1')
  })
})

describe('the end of the supervisor', () => {
  it('lets what is under way come to its end, refuses what comes, and leaves nothing behind', async () => {
    const { ask, stateDirectory, supervisor } = await laboratory([
      define('django1', 'serves'),
      define('django2', 'leaves-strays'),
    ])
    const pids = [(await ask('django1')).pid, (await ask('django2')).pid]
    const slow = ask('django1', '/slow?ms=400')
    const closing = supervisor.close()
    expect(() => supervisor.claim(django1, patient())).toThrow(
      expect.objectContaining({ code: 'instance_busy' }),
    )
    await expect(supervisor.start(django1)).rejects.toMatchObject({ code: 'shutting_down' })
    expect(() => supervisor.define([])).toThrow(expect.objectContaining({ code: 'shutting_down' }))
    expect((await slow).pid).toBe(pids[0])
    await closing
    expect(pids.map(lives)).toEqual([false, false])
    expect(supervisor.status().pool.running).toBe(0)
    expect(existsSync(join(stateDirectory, 'run', 'django1.1.json'))).toBe(false)
  })

  it('waits for nothing any more when it is hurried', async () => {
    const { supervisor, ask } = await laboratory([
      define('django1', 'ignores-sigterm', { limits: { stop: 600_000, drain: 600_000 } }),
      define('django2', 'never-listens', { limits: { start: 600_000 } }),
    ])
    const lease = await supervisor.claim(django1, patient())
    const held = ask('django2').catch((error: unknown) => error)
    const hurry = new AbortController()
    const closing = supervisor.close(hurry.signal)
    expect(await held).toMatchObject({ code: 'instance_busy' })
    hurry.abort()
    await closing
    expect(lease.ended.aborted).toBe(true)
    lease.release()
  })
})

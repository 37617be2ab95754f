import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { closedGate, define, laboratory, lives, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'

const django1 = nameOf('django1')

/** Asks all the time, one request after the other on each of a few connections, until it is told to stop. */
function load(ask: () => Promise<{ pid: number }>) {
  const tally = { pids: new Set<number>(), served: 0, failed: [] as unknown[] }
  const stop = new AbortController()
  const runners = Array.from({ length: 4 }, async () => {
    while (!stop.signal.aborted) {
      await ask().then(
        ({ pid }) => {
          tally.pids.add(pid)
          tally.served++
        },
        (error: unknown) => tally.failed.push(error),
      )
    }
  })
  return async () => {
    stop.abort()
    await Promise.all(runners)
    return tally
  }
}

describe.each(['overlap', 'replace'] as const)('a restart by %s', (restart) => {
  it('under load loses no request, five times in a row', async () => {
    const definition = define('django1', 'serves', { restart, settings: { BIND: '{socket}' } })
    const { ask, supervisor } = await laboratory([definition])
    await ask('django1')
    const stop = load(() => ask('django1'))
    const reports = []
    for (let i = 0; i < 5; i++) reports.push(await supervisor.restart(django1))
    const tally = await stop()
    expect(tally.failed).toEqual([])
    expect(reports.map(({ oldPid }) => oldPid).slice(1)).toEqual(
      reports.map(({ newPid }) => newPid).slice(0, 4),
    )
    expect(reports.map(({ oldPid }) => lives(oldPid!))).not.toContain(true)
    expect(tally.pids.size).toBeGreaterThan(2)
  })

  it('lets a slow request finish on the old generation, and counts it', async () => {
    const { ask, next, status, supervisor } = await laboratory([define('django1', 'serves', { restart })])
    const { pid } = await ask('django1')
    const gate = closedGate()
    const slow = ask('django1', `/held?by=${gate.path}`)
    const swapped = next('ready')
    const restarting = supervisor.restart(django1)
    if (restart === 'overlap') await swapped
    else await expect.poll(() => status('django1').state).toBe('draining')
    await wait(50)
    gate.open()
    const report = await restarting
    expect(report).toMatchObject({ instance: 'django1', oldPid: pid, drained: 1 })
    // That wait was a part of it; a timer may fire a millisecond early.
    expect(report.took).toBeGreaterThanOrEqual(49)
    expect((await slow).pid).toBe(pid)
    expect(lives(pid)).toBe(false)
  })

  it('of one that does not run is a start', async () => {
    const { supervisor, status } = await laboratory([define('django1', 'serves', { restart })])
    const report = await supervisor.restart(django1)
    expect(report).toMatchObject({ oldPid: null, newPid: status('django1').generation!.pid, drained: 0 })
  })

  it('ordered twenty times at once is one', async () => {
    const { ask, events, supervisor } = await laboratory([define('django1', 'serves', { restart })])
    await ask('django1')
    const reports = await Promise.all(Array.from({ length: 20 }, () => supervisor.restart(django1)))
    expect(new Set(reports.map(({ newPid }) => newPid)).size).toBe(1)
    expect(events.filter(({ event }) => event === 'started')).toHaveLength(2)
  })

  it('ordered with other settings than the one under way follows it', async () => {
    const withColour = (COLOUR: string) => define('django1', 'serves', { restart, settings: { COLOUR } })
    const { ask, supervisor } = await laboratory([withColour('red')])
    await ask('django1')
    supervisor.define([withColour('green')])
    const first = supervisor.restart(django1)
    supervisor.define([withColour('blue')])
    const [, second] = await Promise.all([first, supervisor.restart(django1)])
    expect(await ask('django1')).toMatchObject({ pid: second.newPid, environment: { COLOUR: 'blue' } })
  })

  it('gives up a boot that hangs, and serves those who waited for it', async () => {
    const { ask, supervisor, status } = await laboratory([define('django1', 'never-listens', { restart })])
    const held = ask('django1')
    await expect.poll(() => status('django1').generation?.pid).toBeGreaterThan(1)
    supervisor.define([define('django1', 'serves', { restart })])
    const { newPid } = await supervisor.restart(django1)
    expect((await held).pid).toBe(newPid)
  })
})

describe('a restart whose new generation does not become ready', () => {
  function switchable(restart: 'overlap' | 'replace') {
    const EXIT_WHILE = join(temporaryDirectory(), 'exit')
    const definition = (COLOUR = 'red') =>
      define('django1', 'exits-while-told-to', { restart, settings: { EXIT_WHILE, COLOUR } })
    return { definition, breakIt: () => writeFileSync(EXIT_WHILE, ''), mendIt: () => rmSync(EXIT_WHILE) }
  }

  it('by overlap leaves the old one serving without a gap, and says why', async () => {
    const { definition, breakIt, mendIt } = switchable('overlap')
    const { ask, supervisor, status } = await laboratory([definition()])
    const { pid } = await ask('django1')
    breakIt()
    const stop = load(() => ask('django1'))
    await expect(supervisor.restart(django1)).rejects.toMatchObject({
      code: 'instance_failed',
      message: 'It exited with code 4 before it was ready.',
      log: ['told to exit'],
    })
    expect(await stop()).toMatchObject({ failed: [], pids: new Set([pid]) })
    expect(status('django1')).toMatchObject({
      state: 'degraded',
      generation: { pid },
      reason: 'The last restart failed: It exited with code 4 before it was ready.',
    })
    mendIt()
    expect((await supervisor.restart(django1)).oldPid).toBe(pid)
    expect(status('django1')).toMatchObject({ state: 'ready', reason: null })
  })

  it('leaves settings to go back to after a crash and a sleep, until the operator stops it', async () => {
    const good = define('django1', 'serves', { settings: { COLOUR: 'red' }, idle: 300 })
    const { ask, supervisor, status } = await laboratory([good])
    const { pid } = await ask('django1')
    // Or it would be asleep by then.
    const awake = await supervisor.claim(django1, {
      navigation: false,
      signal: new AbortController().signal,
    })
    supervisor.define([define('django1', 'exits-at-once', { idle: 300 })])
    await expect(supervisor.restart(django1)).rejects.toMatchObject({ code: 'instance_failed' })
    process.kill(pid, 'SIGKILL')
    awake.release()
    await expect.poll(() => status('django1').lastExit?.signal).toBe('SIGKILL')
    const next = await ask('django1')
    expect(next.environment['COLOUR']).toBe('red')
    expect(status('django1')).toMatchObject({ state: 'degraded', generation: { outdated: true } })

    await expect.poll(() => lives(next.pid)).toBe(false)
    expect((await ask('django1')).environment['COLOUR']).toBe('red')
    await supervisor.stop(django1)
    await expect(supervisor.start(django1)).rejects.toMatchObject({ code: 'instance_failed' })
    expect(status('django1').generation).toBeNull()
  })

  it('with settings that are then put back leaves none that it does not run with', async () => {
    const good = () => define('django1', 'serves', { settings: { COLOUR: 'red' } })
    const { ask, supervisor, status } = await laboratory([good()])
    await ask('django1')
    supervisor.define([define('django1', 'exits-at-once')])
    await expect(supervisor.restart(django1)).rejects.toMatchObject({ code: 'instance_failed' })
    expect(status('django1')).toMatchObject({ state: 'degraded', generation: { outdated: true } })
    supervisor.define([good()])
    expect(status('django1')).toMatchObject({ state: 'degraded', generation: { outdated: false } })
  })

  it('by replace with other settings goes back to the old ones, and those who waited are served', async () => {
    const { ask, supervisor, status } = await laboratory([
      define('django1', 'serves', { restart: 'replace' }),
    ])
    const gate = closedGate()
    const slow = ask('django1', `/held?by=${gate.path}`)
    await ask('django1')
    supervisor.define([define('django1', 'exits-at-once', { restart: 'replace' })])
    const restarting = supervisor.restart(django1).catch((error: unknown) => error)
    await expect.poll(() => status('django1').state).toBe('draining')
    const held = ask('django1')
    gate.open()
    await slow
    expect(await restarting).toMatchObject({
      code: 'instance_failed',
      log: [expect.stringContaining('database')],
    })
    expect((await held).pid).toBe(status('django1').generation!.pid)
    expect(status('django1')).toMatchObject({
      state: 'degraded',
      reason: expect.stringMatching(/^The last restart failed/),
    })
  })

  it('by replace with the same settings has nothing to go back to', async () => {
    const { definition, breakIt, mendIt } = switchable('replace')
    const { ask, supervisor, status } = await laboratory([definition()])
    await ask('django1')
    breakIt()
    await expect(supervisor.restart(django1)).rejects.toMatchObject({ code: 'instance_failed' })
    expect(status('django1').state).toBe('failed')
    await expect(ask('django1')).rejects.toMatchObject({ code: 'instance_failed' })
    mendIt()
    await supervisor.start(django1)
    await ask('django1')
  })
})

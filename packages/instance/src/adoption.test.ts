import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { InstanceDefinition } from './definition.ts'
import { generationsIn, killedAfter, otherSupervisor, recordsIn } from './fixtures/killed-supervisor.ts'
import { define, laboratory, lives, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'
import { writeRecord } from './generation-record.ts'
import { factsOf } from './proc.ts'

const django1 = nameOf('django1')
const kinds = { 'a socket': { BIND: '{socket}' }, 'a port': {} }

/** An instance whose supervisor was killed while it served. */
async function abandoned(definition: InstanceDefinition, stateDirectory = temporaryDirectory()) {
  const other = await otherSupervisor(stateDirectory, definition)
  await other.kill()
  return { stateDirectory, record: recordsIn(stateDirectory)[0]! }
}

it('an instance that an earlier mux started, whose record has less in it, is taken over all the same', async () => {
  const definition = define('django1', 'serves', { probe: 60_000 })
  const { stateDirectory, record } = await abandoned(definition)
  const path = join(stateDirectory, 'run', 'django1.1.json')
  const written = JSON.parse(readFileSync(path, 'utf8'))
  const { name, command, directory, settings, health, boot, restart, idle, limits, stopSignal } =
    written.takeover.definition
  const { start, drain, stop, hold, memory, queue } = limits
  const first = { name, command, directory, settings, health, boot, restart, idle, stopSignal }
  const definitionOnce = { ...first, limits: { start, drain, stop, hold, memory, queue } }
  const takeover = { ...written.takeover, definition: definitionOnce }
  writeFileSync(path, JSON.stringify({ ...written, takeover }))
  const { ask, status } = await laboratory([definition], { stateDirectory })
  expect((await ask('django1')).pid).toBe(record.pid)
  expect(status('django1').generation).toMatchObject({ number: 1, outdated: true })
})

it('an instance that was taken over is noticed when it hangs', async () => {
  const definition = define('django1', 'serves', { probe: 150 })
  const { stateDirectory, record } = await abandoned(definition)
  const { ask, next } = await laboratory([definition], { stateDirectory })
  const hung = next('hung')
  process.kill(record.pid!, 'SIGSTOP')
  await hung
  expect((await ask('django1')).pid).not.toBe(record.pid)
  await expect.poll(() => lives(record.pid!)).toBe(false)
})

describe.each(Object.entries(kinds))('an instance on %s whose supervisor was killed', (_, settings) => {
  it('keeps its process, its number and its beginning under the next supervisor, which ends it as any other', async () => {
    const definition = define('django1', 'leaves-strays', { settings })
    const { stateDirectory, record } = await abandoned(definition)
    const family = readFileSync(join(stateDirectory, 'data/django1/family'), 'utf8').split(' ').map(Number)
    const { ask, status, events, supervisor } = await laboratory([definition], { stateDirectory })
    expect(status('django1')).toMatchObject({
      state: 'ready',
      generation: { number: 1, pid: record.pid, since: record.takeover!.since },
      crashes: 0,
    })
    expect((await ask('django1')).pid).toBe(record.pid)
    expect(events).toEqual([
      { event: 'adopted', instance: 'django1', generation: 1, pid: record.pid, outdated: false },
    ])
    await supervisor.close()
    expect([record.pid!, ...family].map(lives)).toEqual([false, false, false, false])
    expect(readdirSync(join(stateDirectory, 'run'))).toEqual([])
  })

  it('is replaced by a restart, whose generation has the next number', async () => {
    const definition = define('django1', 'serves', { settings })
    const { stateDirectory, record } = await abandoned(definition)
    const { ask, status, supervisor } = await laboratory([definition], { stateDirectory })
    const underWay = ask('django1', '/slow?ms=100')
    const report = await supervisor.restart(django1)
    expect(report.oldPid).toBe(record.pid)
    expect((await underWay).pid).toBe(record.pid)
    expect(lives(record.pid!)).toBe(false)
    expect(status('django1')).toMatchObject({ state: 'ready', generation: { number: 2, pid: report.newPid } })
  })

  it('is started again when it crashes later on, though nobody can tell how', async () => {
    const definition = define('django1', 'serves', { settings })
    const { stateDirectory, record } = await abandoned(definition)
    const { ask, next, status } = await laboratory([definition], { stateDirectory })
    const crashed = next('crashed').then(() => status('django1'))
    process.kill(record.pid!, 'SIGKILL')
    expect(await crashed).toMatchObject({
      state: 'starting',
      reason: 'It ended while it served.',
      lastExit: { code: null, signal: null, by: 'crash' },
    })
    expect((await ask('django1')).pid).not.toBe(record.pid)
    expect(generationsIn(stateDirectory)).toHaveLength(1)
  })
})

describe('an instance that was taken over', () => {
  it('is stopped when nobody uses it', async () => {
    const definition = define('django1', 'serves', { idle: 300 })
    const { stateDirectory, record } = await abandoned(definition)
    const { status } = await laboratory([definition], { stateDirectory })
    await expect.poll(() => status('django1').state).toBe('stopped')
    expect(lives(record.pid!)).toBe(false)
  })

  it('is taken over again and again', async () => {
    const definition = define('django1', 'serves')
    const { stateDirectory, record } = await abandoned(definition)
    for (let i = 0; i < 3; i++) await abandoned(definition, stateDirectory)
    const { ask } = await laboratory([definition], { stateDirectory })
    expect((await ask('django1')).pid).toBe(record.pid)
  })

  it('keeps the settings it was started with, and gets the present ones by a restart', async () => {
    const { stateDirectory, record } = await abandoned(
      define('django1', 'serves', { settings: { COLOUR: 'red' } }),
    )
    const blue = define('django1', 'serves', { settings: { COLOUR: 'blue' } })
    const { ask, events, status, supervisor } = await laboratory([blue], { stateDirectory })
    expect(await ask('django1')).toMatchObject({ pid: record.pid, environment: { COLOUR: 'red' } })
    expect(events).toMatchObject([{ event: 'adopted', outdated: true }])
    expect(status('django1').generation!.outdated).toBe(true)
    await supervisor.restart(django1)
    expect(await ask('django1')).toMatchObject({ environment: { COLOUR: 'blue' } })
    expect(status('django1').generation!.outdated).toBe(false)
  })

  it('is as degraded as it was, and comes back with the settings with which it served', async () => {
    const EXIT_WHILE = join(temporaryDirectory(), 'exit')
    const good = define('django1', 'exits-while-told-to', { settings: { EXIT_WHILE } })
    const stateDirectory = temporaryDirectory()
    const other = await otherSupervisor(stateDirectory, good)
    writeFileSync(EXIT_WHILE, '')
    other.order('restart')
    const reason = 'The last restart failed: It exited with code 4 before it was ready.'
    await expect.poll(() => recordsIn(stateDirectory)[0]?.takeover?.degraded).toBe(reason)
    await other.kill()
    const bad = define('django1', 'exits-at-once')
    const { ask, status, supervisor } = await laboratory([bad], { stateDirectory })
    const { pid } = await ask('django1')
    expect(status('django1')).toMatchObject({ state: 'degraded', reason })
    rmSync(EXIT_WHILE)
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => status('django1').crashes).toBe(1)
    expect((await ask('django1')).environment).toMatchObject({ EXIT_WHILE })
    supervisor.define([good])
    await supervisor.restart(django1)
    expect(status('django1')).toMatchObject({ state: 'ready', reason: null })
    expect(recordsIn(stateDirectory).map(({ takeover }) => takeover?.degraded)).toEqual([null])
  })

  it('comes back with those it was started with when a restart by replace fails on the present ones', async () => {
    const good = define('django1', 'serves', { restart: 'replace', settings: { COLOUR: 'red' } })
    const { stateDirectory, record } = await abandoned(good)
    const bad = define('django1', 'exits-at-once', { restart: 'replace' })
    const { ask, supervisor } = await laboratory([bad], { stateDirectory })
    await expect(supervisor.restart(django1)).rejects.toMatchObject({ code: 'instance_failed' })
    const { pid, environment } = await ask('django1')
    expect(pid).not.toBe(record.pid)
    expect(environment['COLOUR']).toBe('red')
  })

  it('goes on in a project that was moved meanwhile, and is none of its copy', async () => {
    const definition = define('django1', 'serves')
    const root = temporaryDirectory()
    const { stateDirectory, record } = await abandoned(definition, join(root, 'first'))
    const copy = join(root, 'copy')
    cpSync(stateDirectory, copy, { recursive: true })
    const other = await laboratory([definition], { stateDirectory: copy })
    expect((await other.ask('django1')).pid).not.toBe(record.pid)
    await other.supervisor.close()
    expect(lives(record.pid!)).toBe(true)
    const moved = join(root, 'moved')
    renameSync(stateDirectory, moved)
    const { ask } = await laboratory([definition], { stateDirectory: moved })
    expect((await ask('django1')).pid).toBe(record.pid)
  })
})

describe('a supervisor that was killed', () => {
  it('while the next generation was starting leaves the old one to be taken over, and the other to be ended', async () => {
    const definition = define('django1', 'serves', { settings: { BIND: '{socket}' } })
    const stateDirectory = temporaryDirectory()
    await abandoned(definition, stateDirectory)
    const [old] = recordsIn(stateDirectory)
    const slow = define('django1', 'serves', { settings: { BIND: '{socket}', BOOT_MS: '60000' } })
    const other = await otherSupervisor(stateDirectory, slow)
    other.order('restart')
    await expect.poll(() => recordsIn(stateDirectory)[1]?.pid).toBeGreaterThan(1)
    await other.kill()
    const { ask, status } = await laboratory([definition], { stateDirectory })
    expect((await ask('django1')).pid).toBe(old!.pid)
    await expect.poll(() => generationsIn(stateDirectory)).toHaveLength(1)
    expect(status('django1').generation!.number).toBe(1)
    await expect.poll(() => recordsIn(stateDirectory)).toHaveLength(1)
  })

  it('while the old generation was leaving leaves the new one to be taken over, and the other to be ended', async () => {
    const definition = define('django1', 'serves', {
      settings: { BIND: '{socket}', DRAIN_MS: '600000' },
      limits: { stop: 600_000 },
    })
    const stateDirectory = temporaryDirectory()
    const other = await otherSupervisor(stateDirectory, definition)
    other.order('restart')
    const stages = () => recordsIn(stateDirectory).map(({ takeover }) => takeover!.stage)
    await expect.poll(stages, { interval: 5 }).toEqual(['leaving', 'ready'])
    await other.kill()
    const [old, next] = recordsIn(stateDirectory)
    const impatient = { ...definition, limits: { ...definition.limits, stop: 500 } }
    const takeover = { ...old!.takeover!, definition: impatient }
    writeRecord(join(stateDirectory, 'run'), { ...old!, takeover })
    const { ask } = await laboratory([definition], { stateDirectory })
    expect((await ask('django1')).pid).toBe(next!.pid)
    await expect.poll(() => lives(old!.pid!)).toBe(false)
    await expect.poll(() => recordsIn(stateDirectory)).toMatchObject([{ number: 2 }])
  })

  it('while it stopped an instance leaves it to be ended, and a request boots another', async () => {
    const definition = define('django1', 'serves', {
      settings: { DRAIN_MS: '600000' },
      limits: { stop: 600_000 },
    })
    const stateDirectory = temporaryDirectory()
    const other = await otherSupervisor(stateDirectory, definition)
    other.order('stop')
    await expect.poll(() => recordsIn(stateDirectory)[0]?.takeover?.stage, { interval: 5 }).toBe('leaving')
    await other.kill()
    const [old] = recordsIn(stateDirectory)
    const { ask, status } = await laboratory([definition], { stateDirectory })
    // Long before its own limit.
    expect((await ask('django1')).pid).not.toBe(old!.pid)
    expect(status('django1').generation!.number).toBe(2)
    expect(generationsIn(stateDirectory)).toHaveLength(1)
  })

  it(
    'twenty times at any moment never leaves two generations, an orphan or a record',
    { timeout: 300_000 },
    async () => {
      const definition = define('django1', 'leaves-strays', { settings: { BIND: '{socket}' } })
      const stateDirectory = temporaryDirectory()
      for (let kill = 0; kill < 10; kill++) {
        // From before it has begun to when it serves.
        await killedAfter(kill * 60, stateDirectory, definition)
        const other = await otherSupervisor(stateDirectory, definition)
        expect(generationsIn(stateDirectory)).toHaveLength(1)
        for (const order of ['restart', 'stop', 'restart'] as const) {
          other.order(order)
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 100))
        }
        await other.kill()
      }
      const { ask, supervisor } = await laboratory([definition], { stateDirectory })
      await ask('django1')
      await expect.poll(() => generationsIn(stateDirectory)).toHaveLength(1)
      await supervisor.close()
      expect(generationsIn(stateDirectory)).toEqual([])
      expect(readdirSync(join(stateDirectory, 'run'))).toEqual([])
    },
  )
})

describe('what can not be taken over is ended', () => {
  // Whoever waits for its own limit waits for longer than a test may take.
  const definition = define('django1', 'serves', {
    settings: { BIND: '{socket}' },
    limits: { stop: 600_000, hold: 600_000 },
  })

  it('when its process was stopped by a signal, though its socket takes connections', async () => {
    const { stateDirectory, record } = await abandoned(definition)
    process.kill(record.pid!, 'SIGSTOP')
    await expect.poll(() => factsOf(record.pid!)?.isStopped).toBe(true)
    const { ask } = await laboratory([definition], { stateDirectory })
    expect((await ask('django1')).pid).not.toBe(record.pid)
    expect(lives(record.pid!)).toBe(false)
  })

  it('when it does not answer its probe', async () => {
    const healthy = { ...definition, health: '/' }
    const { stateDirectory, record } = await abandoned(healthy)
    const takeover = { ...record.takeover!, definition: { ...healthy, health: '/slow?ms=60000' } }
    writeRecord(join(stateDirectory, 'run'), { ...record, takeover })
    const { ask } = await laboratory([healthy], { stateDirectory })
    expect((await ask('django1')).pid).not.toBe(record.pid)
    expect(lives(record.pid!)).toBe(false)
  })

  it('when it is no longer defined', async () => {
    const { stateDirectory, record } = await abandoned(definition)
    const { supervisor } = await laboratory([], { stateDirectory })
    await expect.poll(() => supervisor.status().instances).toEqual([])
    expect(lives(record.pid!)).toBe(false)
    expect(readdirSync(join(stateDirectory, 'run'))).toEqual([])
  })

  it('when the operator has closed it', async () => {
    const { stateDirectory, record } = await abandoned(definition)
    const { status } = await laboratory([definition], { stateDirectory, closed: () => ({ message: null }) })
    await expect.poll(() => lives(record.pid!)).toBe(false)
    expect(status('django1').state).toBe('disabled')
  })

  it('when the pool has no place for it any more', async () => {
    const { stateDirectory, record } = await abandoned(definition)
    const { status, supervisor } = await laboratory([definition], { stateDirectory, pool: { max: 0 } })
    await expect.poll(() => lives(record.pid!)).toBe(false)
    expect(status('django1').state).toBe('stopped')
    expect(supervisor.status().pool.running).toBe(0)
  })
})

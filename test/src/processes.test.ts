import { readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { collected, INSPECTED } from './harness/collected.ts'
import { CommandLines } from './harness/command-lines.ts'
import { echoYaml } from './harness/echo.ts'
import { ledgerLines, LEDGER } from './harness/layout.ts'
import { leave } from './harness/nothing-left.ts'
import { descriptorsOf, processesOf, watched, zombiesOf } from './harness/processes.ts'
import { basic, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { until } from './harness/until.ts'

const MIB = 1024 * 1024

let project: Project
let running: Running | undefined

async function up(instances: string, options: Parameters<typeof echoYaml>[1] = {}): Promise<Running> {
  project = await Project.create(null)
  await project.write(
    'mux.yaml',
    echoYaml(instances, {
      ...options,
      settings: `, LEDGER: ${project.path(LEDGER)}${options.settings ?? ''}`,
    }),
  )
  running = await Running.up(project)
  return running
}

afterEach(async () => {
  await leave(project, running)
  running = undefined
})

/** Generations that have a living process, by instance. */
async function generations(): Promise<Record<string, number>> {
  const found = new Map<string, Set<string>>()
  for (const { instance, generation } of await processesOf(project)) {
    found.set(instance, (found.get(instance) ?? new Set()).add(generation))
  }
  return Object.fromEntries([...found].map(([instance, ids]) => [instance, ids.size]))
}

const pidOf = async (user: string): Promise<number> => (await ask(running!.url, '/', { user })).json().pid

describe('a supervisor that is killed', () => {
  it('is followed by one that never runs a second process of an instance beside what was left behind', async () => {
    const first = await up('{ django1: { boot: eager }, django2: {}, django3: {} }', { fixture: 'loner.mjs' })
    await project.addUser('graham', 'django1')
    await project.addUser('brian', 'django2')
    await Promise.all([pidOf('graham'), pidOf('brian')])
    await first.stop('SIGKILL')
    expect(await generations()).toEqual({ django1: 1, django2: 1 })

    running = await Running.up(project)
    await Promise.all([pidOf('graham'), pidOf('brian')])
    expect(await generations()).toEqual({ django1: 1, django2: 1 })
    expect((await ledgerLines(project)).filter((line) => line.startsWith('beside'))).toEqual([])
  })

  it('in the middle of a restart leaves nothing that the next one does not end or take over', async () => {
    const first = await up('{ django1: { settings: { BOOTS_ONCE: "{data}/may-boot" } } }')
    await project.addUser('graham', 'django1')
    await project.write('.mux/data/django1/may-boot', '')
    await pidOf('graham')
    // So that the next generation is not ready before mux is killed.
    await rm(project.path('.mux/data/django1/may-boot'))
    const restart = project.run(['instance', 'restart', 'django1'])
    await until('two generations', async () => ((await generations())['django1'] === 2 ? true : undefined))
    await first.stop('SIGKILL')
    expect((await restart).code).toBe(5)

    running = await Running.up(project)
    const pid = await pidOf('graham')
    // The old one serves on from the first moment, while what was booting is being ended.
    await until('one generation', async () => ((await generations())['django1'] === 1 ? true : undefined))
    expect((await processesOf(project)).map((found) => found.pid)).toEqual([pid])
  })

  it('leaves a state in which the same command that started it works again, as often as it happens', async () => {
    await up('{ django1: {} }')
    await project.addUser('graham', 'django1')
    for (let n = 0; n < 3; n++) {
      await running!.stop('SIGKILL')
      running = await Running.up(project)
      expect(await pidOf('graham')).toBeGreaterThan(0)
    }
  })
})

it('ends on SIGTERM with 0, answers what was under way, and leaves no process, socket or record behind', async () => {
  await up('{ django1: {}, django2: { restart: replace } }')
  await project.addUser('graham', 'django1')
  await project.addUser('brian', 'django2')
  await Promise.all([pidOf('graham'), pidOf('brian')])
  const left = await watched((await processesOf(project)).map((found) => found.pid))
  const before = (await ledgerLines(project)).length
  const underWay = Array.from({ length: 16 }, (_, n) =>
    ask(running!.url, `/slow/700?${n}`, { user: n % 2 === 0 ? 'graham' : 'brian' }),
  )
  await until('16 requests at the instances', async () =>
    (await ledgerLines(project)).length === before + 16 ? true : undefined,
  )
  expect(await running!.stop('SIGTERM')).toBe(0)
  expect((await Promise.all(underWay)).map((answer) => answer.status)).toEqual(Array(16).fill(200))
  expect(await left()).toEqual([])
  expect((await readdir(project.path('.mux/run'))).filter((name) => /\.(sock|json)$/.test(name))).toEqual([])
  await expect(ask(running!.url, '/_mux/health')).rejects.toThrow(
    expect.objectContaining({ code: 'ECONNREFUSED' }),
  )
})

it('ends within its limits when a client has left in the middle of an upload that its instance does not read', async () => {
  await up('{ django1: { limits: { drain: 1s } } }')
  await project.addUser('graham', 'django1')
  await pidOf('graham')
  const { hostname, port } = new URL(running!.url)
  const socket = connect(Number(port), hostname)
  socket.write(
    `POST /hang HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: ${basic('graham')}\r\nContent-Length: 1000000000\r\n\r\n`,
  )
  socket.write(Buffer.alloc(32 * 1024 * 1024))
  // Until everything in between is full, so that the end of the connection is behind what nobody reads.
  let left = socket.writableLength
  await until('the upload to be stuck', async () => {
    await wait(200)
    const stuck = left > 0 && left === socket.writableLength
    left = socket.writableLength
    return stuck || undefined
  })
  socket.destroy()
  const began = performance.now()
  expect(await running!.stop()).toBe(0)
  // A minute is what a client may take for a part of its body.
  expect(performance.now() - began).toBeLessThan(30_000)
})

it('ends a whole family with its instance: children, those in sessions of their own, and those whose parent has gone', async () => {
  await up('{ django1: {} }', { fixture: 'family.mjs' })
  await project.addUser('graham', 'django1')
  await pidOf('graham')
  // Of the last shell's family there are its sleep and itself; of the others the same: seven at least.
  await until('the family', async () => {
    const found = await processesOf(project)
    return found.length >= 7 || undefined
  })
  await project.must(['instance', 'stop', 'django1'])
  expect(await processesOf(project)).toEqual([])
  expect(await zombiesOf(running!.child.pid!)).toEqual([])
})

it('holds no more descriptors, no more memory and no zombie after a hundred restarts', async () => {
  project = await Project.create(
    echoYaml('{ django1: {}, django2: { restart: replace, settings: { SOCKET: "" } } }', {
      fixture: 'ledger.mjs',
    }),
  )
  running = await Running.up(project, [], INSPECTED)
  const supervisor = running.child.pid!
  const orders = await CommandLines.start(project)
  const pids = new Set<number>()
  const restart = async (times: number) => {
    for (let n = 0; n < times; n++) {
      const outcome = await orders.must(['instance', 'restart', `django${(n % 2) + 1}`, '--json'])
      pids.add(outcome.json().newPid)
    }
  }
  const held = async () => ({
    descriptors: (await descriptorsOf(supervisor)).length,
    ...(await collected(running!)),
  })
  try {
    // What is opened, loaded and compiled once has been by then.
    await restart(10)
    const before = await held()
    await restart(100)
    const few = before.descriptors + 2
    await until(
      'descriptors as before',
      async () => (await descriptorsOf(supervisor)).length <= few || undefined,
    )
    const after = await held()
    process.stdout.write(`a hundred restarts: ${JSON.stringify({ before, after })}\n`)
    expect(pids.size).toBe(110)
    expect(after.heap - before.heap).toBeLessThan(2 * MIB)
    // What is freed and kept by the allocator of C counts as well, the more the busier the machine is.
    expect(after.resident - before.resident).toBeLessThan(64 * MIB)
    expect(await zombiesOf(supervisor)).toEqual([])
    expect(await generations()).toEqual({ django1: 1, django2: 1 })
  } finally {
    orders.end()
  }
})

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { collected, INSPECTED } from './harness/collected.ts'
import { CommandLines } from './harness/command-lines.ts'
import { echoYaml } from './harness/echo.ts'
import {
  expectWhole,
  IN_FLIGHT,
  Load,
  type LoadOptions,
  printTally,
  REQUESTS,
  type Tally,
} from './harness/load.ts'
import { leave } from './harness/nothing-left.ts'
import { descriptorsOf, processesOf, signal, zombiesOf } from './harness/processes.ts'
import { type Outcome, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { until } from './harness/until.ts'

/** By user. Two who share an instance share its connections, and must not be taken for each other either. */
const OVERLAP = { brian: 'django1', malcolm: 'django1' }
const REPLACE = { eric: 'django2', terry: 'django2' }
const OTHER = { graham: 'django3' }
const EVERYBODY = { ...OVERLAP, ...REPLACE, ...OTHER }
/** The instances of which each has a strategy of its own. */
const CHANGING = ['django1', 'django2']
const RESTARTS = 20
const MIB = 1024 * 1024

const KEPT = { keepAlive: true, connections: 'on connections that are kept' }
const ALONE = { keepAlive: false, connections: 'on a connection each' }

let project: Project
let running: Running
let orders: CommandLines
let load: Load | undefined
/** What the supervisor holds when everything that is opened, loaded and compiled once has been. */
let before: { descriptors: number; heap: number; resident: number }

beforeAll(async () => {
  // The others listen on a socket.
  const onPort = 'settings: { SOCKET: "" }'
  project = await Project.create(
    echoYaml(`{ django1: {}, django2: { restart: replace, ${onPort} }, django3: {} }`, {
      fixture: 'ledger.mjs',
    }),
  )
  running = await Running.up(project, [], INSPECTED)
  orders = await CommandLines.start(project)
  await Promise.all(Object.entries(EVERYBODY).map(([user, instance]) => project.addUser(user, instance)))
  await restartAll()
  const descriptors = (await descriptorsOf(running.child.pid!)).length
  for (const { keepAlive } of [KEPT, ALONE])
    expectWhole(await under(EVERYBODY, { keepAlive, requests: 4_000 }, restartAll), 4_000)
  before = { descriptors, ...(await collected(running)) }
})
afterEach(() => load?.kill())
afterAll(async () => {
  orders?.end()
  await leave(project, running)
})

/** A load that goes on as long as `happening` does. */
async function under(
  instances: Record<string, string>,
  options: LoadOptions,
  happening: (load: Load) => Promise<void> = async () => {},
): Promise<Tally> {
  load = new Load(running.url, instances, options)
  await happening(load)
  return load.end(project)
}

async function order(...argv: string[]): Promise<ReturnType<Outcome['json']>> {
  const outcome = await orders.run([...argv, '--json'])
  expect(outcome.code, outcome.stdout + outcome.stderr).toBe(0)
  return outcome.json()
}

const pidsOf = (tally: Tally, instance: string) => tally.processes[instance]!.map(({ pid }) => pid)

async function restartAll(): Promise<void> {
  for (const instance of ['django1', 'django2', 'django3']) await order('instance', 'restart', instance)
}

/** Nothing is left of what happened: no descriptor, no memory, no process but one of each instance. */
async function expectNoLeak(): Promise<void> {
  const supervisor = running.child.pid!
  await until(
    'descriptors as before',
    async () => (await descriptorsOf(supervisor)).length <= before.descriptors + 2 || undefined,
  )
  const { heap, resident } = await collected(running)
  process.stdout.write(
    `  at rest: heap ${(heap / MIB).toFixed(1)} MiB, resident ${(resident / MIB).toFixed(0)} MiB; ` +
      `${((heap - before.heap) / MIB).toFixed(1)} and ${((resident - before.resident) / MIB).toFixed(1)} more than at first\n`,
  )
  expect(heap - before.heap).toBeLessThan(2 * MIB)
  // The allocator of C keeps what has been freed in between, the more of it the busier the machine is (5 to 44 MiB seen).
  expect(resident - before.resident).toBeLessThan(128 * MIB)
  expect(await zombiesOf(supervisor)).toEqual([])
  const processes = await processesOf(project)
  expect(processes.map(({ instance }) => instance).sort()).toEqual(['django1', 'django2', 'django3'])
}

describe(`${RESTARTS} restarts by each strategy under load lose no request, have none carried out twice, give none to somebody else, and leak nothing`, () => {
  it.each([KEPT, ALONE])('$connections', async ({ keepAlive, connections }) => {
    const reports: Record<string, { oldPid: number; newPid: number }[]> = { django1: [], django2: [] }
    const tally = await under(EVERYBODY, { keepAlive }, async (load) => {
      for (let n = 1; n <= RESTARTS; n++) {
        await load.reached((n * REQUESTS) / (RESTARTS + 1))
        for (const instance of CHANGING) reports[instance]!.push(await order('instance', 'restart', instance))
        // However slow the clients are: what was started serves before the next is.
        await load.round()
      }
    })
    printTally(`restarts, ${connections}`, tally, { restarts: CHANGING.length * RESTARTS })
    expectWhole(tally)
    // They have happened: each ended the one that the one before had started, and what was started did serve.
    for (const [instance, told] of Object.entries(reports)) {
      const pids = [told[0]!.oldPid, ...told.map(({ newPid }) => newPid)]
      expect(told.map(({ oldPid }) => oldPid)).toEqual(pids.slice(0, -1))
      expect(new Set(pids).size).toBe(RESTARTS + 1)
      expect(new Set(pidsOf(tally, instance))).toEqual(new Set(pids))
      const now = (await processesOf(project)).filter((found) => found.instance === instance)
      expect(now.map(({ pid }) => pid)).toEqual(pids.slice(-1))
    }
    expect(pidsOf(tally, 'django3')).toHaveLength(1)
    await expectNoLeak()
  })
})

describe('changes of settings under load, by each strategy,', () => {
  it('lose no request, and no process ever serves with settings other than those it was started with', async () => {
    const colours = ['red', 'green', 'blue', 'white', 'black']
    const pids: Record<string, number[]> = { django1: [], django2: [] }
    const tally = await under(EVERYBODY, { keepAlive: true }, async (load) => {
      for (const [n, colour] of colours.entries()) {
        await load.reached(((n + 1) * REQUESTS) / (colours.length + 1))
        for (const instance of CHANGING) {
          const { restarted } = await order('instance', 'set', instance, `COLOUR=${colour}`)
          pids[instance]!.push(restarted.newPid)
        }
        await load.round()
      }
    })
    printTally('changes of settings', tally, { changes: CHANGING.length * colours.length })
    expectWhole(tally)
    for (const instance of CHANGING) {
      const served = tally.processes[instance]!
      expect(served).toHaveLength(colours.length + 1)
      for (const [n, colour] of colours.entries())
        expect(served).toContainEqual({ pid: pids[instance]![n], colour })
    }
  })

  it('that a new process does not survive, answer to or pass its probe with are refused, put back, and lose no request', async () => {
    const faults = ['exit', 'hang', 'unhealthy']
    // For those that have a fault: what is put back has the settings of before.
    const yaml = await project.read('mux.yaml')
    await project.write('mux.yaml', yaml.replace(/start: \d+s/, 'start: 2s'))
    const tally = await under(EVERYBODY, { keepAlive: true, requests: 4_000 }, async (load) => {
      for (const [n, fault] of faults.entries()) {
        await load.reached((n + 1) * 500)
        for (const instance of CHANGING) {
          const { code, stdout } = await orders.run(['instance', 'set', instance, `FAULT=${fault}`, '--json'])
          expect([code, JSON.parse(stdout).error.code], stdout).toEqual([1, 'instance_failed'])
        }
        await load.round()
      }
    })
    printTally('unusable settings', tally, { changes: CHANGING.length * faults.length })
    expectWhole(tally, 4_000)
    expect(await project.read('mux.yaml')).not.toContain('FAULT')
    await project.write('mux.yaml', yaml)
    // By overlap the old process has never stopped; by replace one with its settings has taken its place each time.
    expect(tally.processes['django1']).toHaveLength(1)
    expect(tally.processes['django2']).toHaveLength(faults.length + 1)
  })
})

it('instances that are killed under load cost the users of another nothing', async () => {
  const rounds = 3
  const killed = new Set<number>()
  const tally = await under(OVERLAP, { keepAlive: true }, async (load) => {
    for (let n = 1; n <= rounds; n++) {
      await load.reached((n * REQUESTS) / (rounds + 1))
      const others = await until('both others', async () => {
        const found = (await processesOf(project)).filter(
          ({ instance, pid }) => instance !== 'django1' && !killed.has(pid),
        )
        return found.length === 2 ? found : undefined
      })
      for (const { pid } of others) if (signal(pid, 'SIGKILL')) killed.add(pid)
    }
  })
  printTally('others killed', tally, { killed: killed.size })
  expectWhole(tally)
  expect(killed.size).toBe(2 * rounds)
  expect(pidsOf(tally, 'django1')).toHaveLength(1)
  for (const instance of ['django2', 'django3']) await order('instance', 'start', instance)
  await expectNoLeak()
})

it('an instance that is killed under load costs its own users what was under way with it, and has nothing done twice', async () => {
  const kills = 3
  const killed: number[] = []
  const tally = await under({ ...OVERLAP, ...OTHER }, { keepAlive: true, requests: 3_000 }, async (load) => {
    while (killed.length < kills) {
      await load.reached((killed.length + 1) * 700)
      const pid = await until('another process', async () => {
        const found = (await processesOf(project)).find(({ instance }) => instance === 'django1')?.pid
        return found === undefined || killed.includes(found) ? undefined : found
      })
      if (signal(pid, 'SIGKILL')) killed.push(pid)
    }
  })
  printTally('killed themselves', tally, { kills })
  expect(tally.lost).toEqual([])
  expect(tally.misdelivered).toEqual([])
  expect(tally.duplicated).toEqual([])
  expect(tally.unaccounted).toEqual([])
  expect(tally.refused.length).toBeLessThanOrEqual(kills * IN_FLIGHT)
  for (const { id, status, body } of tally.refused) {
    expect(id).toMatch(/brian|malcolm/)
    expect([status, JSON.parse(body!).code]).toEqual([502, 'instance_unreachable'])
  }
  expect(pidsOf(tally, 'django3')).toHaveLength(1)
})

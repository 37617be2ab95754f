import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { echoYaml } from './harness/echo.ts'
import { expectWhole, Load, printTally, REQUESTS, type Tally } from './harness/load.ts'
import { leave } from './harness/nothing-left.ts'
import { processesOf } from './harness/processes.ts'
import { Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { until } from './harness/until.ts'

const NAMES = ['django1', 'django2', 'django3', 'django4', 'django5', 'django6']
const IDLE = 150

let project: Project
let running: Running
let loads: Load[] = []

beforeAll(async () => {
  const instances = NAMES.map((name) => `${name}: { idle: ${IDLE}ms }`).join(', ')
  project = await Project.create(echoYaml(`{ ${instances} }`, { fixture: 'ledger.mjs' }))
  running = await Running.up(project)
  await Promise.all(NAMES.map((name) => project.addUser(userOf(name), name)))
})
afterEach(() => {
  for (const load of loads) load.kill()
  loads = []
})
afterAll(async () => {
  await leave(project, running)
})

const userOf = (name: string) => `user-of-${name}`
const processesIn = (tally: Tally) => Object.values(tally.processes).flat().length
const none = async () => ((await processesOf(project)).length === 0 ? true : undefined)

it(`instances that are stopped and woken all the time lose none of ${REQUESTS} requests, and have none carried out twice`, async () => {
  const users = Object.fromEntries(NAMES.map((name) => [userOf(name), name]))
  const load = new Load(running.url, users, { keepAlive: true, burst: 300 })
  loads.push(load)
  const tally = await load.end(project)
  printTally('stopped and woken', tally, { processes: processesIn(tally) })
  expectWhole(tally)
  // That it has happened, and not that the load was too steady for it.
  expect(processesIn(tally)).toBeGreaterThan(2 * NAMES.length)
  await until('the end of all', none)
})

it('300 requests at the very moment when their instance is stopped are all answered, and none is carried out twice', async () => {
  const requests = 300 / NAMES.length
  loads = NAMES.map(
    (name) => new Load(running.url, { [userOf(name)]: name }, { keepAlive: true, requests, idle: IDLE }),
  )
  const tallies = await Promise.all(loads.map((load) => load.end(project)))
  for (const [n, tally] of tallies.entries()) {
    printTally(`at the idle deadline, ${NAMES[n]}`, tally, { processes: processesIn(tally) })
    expectWhole(tally, requests)
    // They came on both sides of it.
    expect(processesIn(tally)).toBeGreaterThan(requests / 5)
    expect(processesIn(tally)).toBeLessThan((requests * 4) / 5)
  }
  await until('the end of all', none)
})

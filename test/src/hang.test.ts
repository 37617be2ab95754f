import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { afterEach, expect, it } from 'vitest'
import { fillBacklog } from '../../packages/edge/src/fixtures/silent-port.ts'
import { ask } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { expectWhole, IN_FLIGHT, Load, printTally } from './harness/load.ts'
import { environmentOf, processesOf, signal } from './harness/processes.ts'
import { Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { until } from './harness/until.ts'

// Long enough for an instance that is well to answer on a machine that is busy.
const PROBE = 1_000
const REQUESTS = 3_000

let project: Project
let running: Running | undefined
let loads: Load[] = []

afterEach(async () => {
  for (const load of loads) load.kill()
  await running?.stop()
  const left = await processesOf(project)
  for (const { pid } of left) signal(pid, 'SIGKILL')
  await project.remove()
  expect(left).toEqual([])
})

it('an instance that hangs under load costs what was under way with it: who comes later is served, and others notice nothing', async () => {
  const own = `{ probe: ${PROBE}ms }`
  project = await Project.create(
    echoYaml(`{ django1: ${own}, django2: ${own} }`, { fixture: 'ledger.mjs', drain: '5s' }),
  )
  running = await Running.up(project)
  await Promise.all([project.addUser('brian', 'django1'), project.addUser('graham', 'django2')])
  // What starting them costs is not what is measured.
  for (const user of ['brian', 'graham']) await ask(running.url, '/', { user })
  const hanging = new Load(running.url, { brian: 'django1' }, { keepAlive: true, requests: REQUESTS })
  const other = new Load(running.url, { graham: 'django2' }, { keepAlive: true, requests: REQUESTS })
  loads = [hanging, other]
  await Promise.all(loads.map((load) => load.reached(REQUESTS / 3)))
  const { pid } = (await processesOf(project)).find(({ instance }) => instance === 'django1')!
  const stopped = Date.now()
  process.kill(pid, 'SIGSTOP')
  const noticed =
    (await until('it to be noticed', () => hungIn(project.path('.mux/logs/events.jsonl')))) - stopped
  const [tally, others] = await Promise.all([hanging.end(project), other.end(project)])
  const { refused, lost, misdelivered, duplicated, unaccounted } = tally
  printTally('hung under load', tally, { noticed })
  printTally('beside it', others)
  expectWhole(others, REQUESTS)
  expect({ lost, misdelivered, duplicated, unaccounted }).toEqual({
    lost: [],
    misdelivered: [],
    duplicated: [],
    unaccounted: [],
  })
  expect(refused.filter(({ status }) => status !== 502)).toEqual([])
  expect(refused.length).toBeLessThanOrEqual(IN_FLIGHT)
  expect(tally.answered + refused.length).toBe(tally.sent)
  expect(tally.sent).toBeGreaterThanOrEqual(REQUESTS)
  expect(tally.processes['django1']).toHaveLength(2)
  // Three intervals on a machine that has nothing else to do.
  expect(noticed).toBeLessThan(30 * PROBE)
})

it('an instance that drops packets is 504 after its ten seconds for every kind of request, and costs no other a moment', async () => {
  const onPort = 'probe: off, settings: { SOCKET: "" }'
  project = await Project.create(echoYaml(`{ django1: { ${onPort} }, django2: {} }`))
  const { url } = (running = await Running.up(project))
  await Promise.all([project.addUser('brian', 'django1'), project.addUser('graham', 'django2')])
  // Not by a request: it would leave a connection that is kept, and the next one would find it.
  const { newPid: pid } = (await project.must(['instance', 'restart', 'django1', '--json'])).json()
  await ask(url, '/', { user: 'graham' })
  process.kill(pid, 'SIGSTOP')
  await fillBacklog(Number((await environmentOf(pid))['PORT']))
  const began = performance.now()
  const silent = Promise.all([
    ask(url, '/', { user: 'brian' }),
    ask(url, '/', { user: 'brian', method: 'POST', body: 'x' }),
    ask(url, '/', { user: 'brian', method: 'POST', body: Readable.from(['x', 'y']) }),
  ])
  let isSilent = true
  void silent.finally(() => (isSilent = false))
  const other = await ask(url, '/', { user: 'graham' })
  expect([other.status, isSilent]).toEqual([200, true])
  for (const { status, json } of await silent)
    expect([status, json().code]).toEqual([504, 'instance_response_timeout'])
  const took = performance.now() - began
  expect(took).toBeGreaterThan(9_000)
  // Some limit is reached: that of an answer is a quarter of an hour.
  expect(took).toBeLessThan(100_000)
  process.kill(pid, 'SIGCONT')
  expect((await ask(url, '/', { user: 'brian' })).json().pid).toBe(pid)
})

/** When the first instance was found to hang, in milliseconds since the epoch. */
async function hungIn(path: string): Promise<number | undefined> {
  const whole = (await readFile(path, 'utf8')).split('\n').slice(0, -1)
  const line = whole.find((text) => text.includes('"hung"'))
  return line === undefined ? undefined : Date.parse((JSON.parse(line) as { time: string }).time)
}

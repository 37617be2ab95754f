import { Agent } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { CommandLines } from './harness/command-lines.ts'
import { echoYaml } from './harness/echo.ts'
import { leave } from './harness/nothing-left.ts'
import { Project } from './harness/project.ts'
import { Running } from './harness/running.ts'

/** How often it is calm and then not, and how long each takes, in milliseconds. */
const TURNS = 5
const TURN = 1_000
/** Milliseconds between two requests of one client, so that the processors are not what is waited for. */
const PAUSE = 4
/** Milliseconds by which two times differ on a machine that has other things to do. */
const NOISE = 5

let project: Project
let running: Running | undefined
let orders: CommandLines | undefined

afterEach(async () => {
  orders?.end()
  await leave(project, running)
})

it('an instance that crashes at every start costs its own users a quick 503, and others no more than a fifth of their time', async () => {
  const crashes = JSON.stringify([process.execPath, '--eval', 'process.exit(1)'])
  project = await Project.create(echoYaml(`{ django1: {}, django2: { command: ${crashes} } }`))
  running = await Running.up(project)
  const { url } = running
  await Promise.all([project.addUser('graham', 'django1'), project.addUser('brian', 'django2')])
  orders = await CommandLines.start(project)
  // What comes first is slower for reasons of its own.
  await during(TURN, (agent) => answered(url, 'graham', 200, agent))

  const calm: number[] = []
  const beside: number[] = []
  const refusals: number[] = []
  for (let turn = 0; turn < TURNS; turn++) {
    await orders.run(['instance', 'stop', 'django2'])
    calm.push(...(await during(TURN, (agent) => answered(url, 'graham', 200, agent))))
    // Its back-off begins anew: each of these turns has as many starts in it as any can have.
    expect((await orders.run(['instance', 'start', 'django2'])).code).toBe(1)
    const trouble = during(TURN, (agent) => answered(url, 'brian', 503, agent), 10 * PAUSE)
    beside.push(...(await during(TURN, (agent) => answered(url, 'graham', 200, agent))))
    refusals.push(...(await trouble))
  }
  process.stdout.write(
    `beside an instance that crashes: ${told(beside)}; else ${told(calm)}; its own refusals: ${told(refusals)}\n`,
  )
  // The slowest hundredth is printed and not judged: on a machine that does something else it is that which it tells of.
  expect(percentile(beside, 50)).toBeLessThan(1.2 * percentile(calm, 50) + NOISE)
  expect(percentile(refusals, 50)).toBeLessThan(100)
}, 120_000)

/** Does something again and again on one connection, and returns how long each took, in milliseconds. */
async function during(
  duration: number,
  request: (agent: Agent) => Promise<void>,
  pause = PAUSE,
): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const end = performance.now() + duration
  const times: number[] = []
  while (performance.now() < end) {
    const began = performance.now()
    await request(agent)
    times.push(performance.now() - began)
    await wait(pause)
  }
  agent.destroy()
  return times
}

async function answered(url: string, user: string, status: number, agent: Agent): Promise<void> {
  expect((await ask(url, '/', { user, agent })).status).toBe(status)
}

function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.ceil((share / 100) * sorted.length) - 1]!
}

function told(times: readonly number[]): string {
  return `${times.length} requests, p50 ${percentile(times, 50).toFixed(1)} ms, p99 ${percentile(times, 99).toFixed(1)} ms`
}

import { Agent } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { collected, INSPECTED } from './harness/collected.ts'
import { echoYaml } from './harness/echo.ts'
import { leave } from './harness/nothing-left.ts'
import { cpuOf, descriptorsOf } from './harness/processes.ts'
import { basic, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'

const MIB = 1024 * 1024
/** By default a look; `pnpm --filter @mux/test endurance` takes its time. */
const REQUESTS = Number(process.env['ENDURANCE_REQUESTS'] ?? 4_000)
/** How long the sign-in is attacked, in seconds; by default it is not, since each of them costs as much of every processor. */
const ATTACKS =
  process.env['ENDURANCE_SECONDS'] === undefined ? [] : [Number(process.env['ENDURANCE_SECONDS'])]
const ATTEMPTS_A_SECOND = 200
/** What the heap may be larger by than after the first half, in bytes. */
const GROWTH = 3 * MIB
/** Descriptors by which mux may differ, such as those of kept connections. */
const GIVE = 4

let project: Project
let running: Running

beforeAll(async () => {
  project = await Project.create(echoYaml('{ django1: {} }'))
  running = await Running.up(project, [], INSPECTED)
  await project.addUser('graham', 'django1')
})
afterAll(async () => {
  await leave(project, running)
})

it(
  `${REQUESTS} requests, hostile ones among them, leave mux as large as half of them did`,
  { timeout: 7_200_000 },
  async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 8 })
    await send(REQUESTS / 2, agent)
    const before = await measured()
    await send(REQUESTS / 2, agent)
    const after = await measured()
    agent.destroy()
    const grown = after.heap - before.heap
    process.stdout.write(
      `${REQUESTS / 2} requests more: the heap differs by ${(grown / MIB).toFixed(1)} MiB, the descriptors by ${after.descriptors - before.descriptors}\n`,
    )
    expect(grown).toBeLessThan(GROWTH)
    expect(Math.abs(after.descriptors - before.descriptors)).toBeLessThanOrEqual(GIVE)
    // None of them is worth a line, let alone two.
    expect(running.output().match(/^time=/gm)!.length).toBeLessThan(REQUESTS)
  },
)

it.each(ATTACKS)(
  `%i s of ${ATTEMPTS_A_SECOND} sign-ins a second with wrong passwords, each from elsewhere, leave those who are signed in served`,
  { timeout: 600_000 },
  async (seconds) => {
    const without = await timesDuring(wait(seconds * 1_000))
    const cpu = await cpuOf(running.child.pid!)
    const began = performance.now()
    const statuses = new Map<number, number>()
    const attacked = await timesDuring(attack(seconds, statuses))
    const cores = (1_000 * ((await cpuOf(running.child.pid!)) - cpu)) / (performance.now() - began)
    const [p50, p99, p50Attacked, p99Attacked] = [without, attacked].flatMap((times) => [
      percentile(times, 50),
      percentile(times, 99),
    ])
    process.stdout.write(
      `sign-ins: ${JSON.stringify(Object.fromEntries(statuses))}; signed in ${p50!.toFixed(1)} ms, p99 ${p99!.toFixed(1)}; meanwhile ${p50Attacked!.toFixed(1)}, p99 ${p99Attacked!.toFixed(1)}; mux took ${cores.toFixed(1)} processors\n`,
    )
    // Hashed and wrong, or not hashed at all; never anything else.
    expect(new Set(statuses.keys())).toEqual(new Set([401, 429]))
    // Two hash at a time, and the rest of mux.
    expect(cores).toBeLessThan(3.5)
    expect(p99Attacked).toBeLessThan(2 * p99! + 5)
  },
)

async function send(count: number, agent: Agent): Promise<void> {
  const { url } = running
  const one = async (n: number) => {
    // A name that cannot be one, now and then: each costs a hash.
    if (n % 1_000 === 0) {
      const name = `${'a'.repeat(60_000)}\u009b2J\r\n\u001b[2Jtime=forged`
      const headers = { authorization: `Basic ${Buffer.from(`${name}:x`).toString('base64')}` }
      expect((await ask(url, '/', { headers, agent })).status).not.toBe(200)
      return
    }
    const hostile = n % 4 === 0
    const options = hostile ? { headers: { 'x-a': '\u009b2Jtime=forged' } } : {}
    const target = hostile ? `/%0d%0atime=forged%1b[2J?${n}` : `/?${n}`
    expect((await ask(url, target, { user: 'graham', agent, ...options })).status).toBe(200)
  }
  let next = 0
  const worker = async () => {
    while (next < count) await one(next++)
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}

async function measured(): Promise<{ heap: number; descriptors: number }> {
  const { heap } = await collected(running)
  return { heap, descriptors: (await descriptorsOf(running.child.pid!)).length }
}

async function attack(seconds: number, statuses: Map<number, number>): Promise<void> {
  const all: Promise<void>[] = []
  const end = performance.now() + seconds * 1_000
  for (let n = 0; performance.now() < end; n++) {
    const headers = { authorization: basic(`nobody${n}`) }
    // Each from an address of its own, or they would be turned away at once.
    const localAddress = `127.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`
    all.push(
      ask(running.url, '/', { headers, localAddress, limit: 120_000 }).then(({ status }) => {
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }),
    )
    await wait(1_000 / ATTEMPTS_A_SECOND)
  }
  await Promise.all(all)
}

/** How long each request of somebody who is signed in took while something else went on, in milliseconds. */
async function timesDuring(meanwhile: Promise<unknown>): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const over = new AbortController()
  const end = meanwhile.finally(() => over.abort())
  const times: number[] = []
  while (!over.signal.aborted) {
    const began = performance.now()
    expect((await ask(running.url, '/', { user: 'graham', agent })).status).toBe(200)
    times.push(performance.now() - began)
    await wait(5)
  }
  await end
  agent.destroy()
  return times
}

function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * share) / 100))]!
}

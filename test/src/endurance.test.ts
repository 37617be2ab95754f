import { Agent } from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { collected, INSPECTED } from './harness/collected.ts'
import { echoYaml } from './harness/echo.ts'
import { leave } from './harness/nothing-left.ts'
import { cpuOfThreads, descriptorsOf } from './harness/processes.ts'
import { Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { ATTEMPTS_A_SECOND, floodSignIns } from './harness/sign-in-flood.ts'

const MIB = 1024 * 1024
/** By default a look; `pnpm --filter @mux/test endurance` takes its time. */
const REQUESTS = Number(process.env['ENDURANCE_REQUESTS'] ?? 4_000)
/** How long the sign-in is attacked, in seconds; by default it is not, since each of them costs as much of every processor. */
const ATTACKS =
  process.env['ENDURANCE_SECONDS'] === undefined ? [] : [Number(process.env['ENDURANCE_SECONDS'])]
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
    // As many requests of which none is hashed: what they cost, and who sends them, is not the attack.
    const without = await timesDuring(floodSignIns(running.url, seconds * 1_000, null))
    const began = performance.now()
    const cpu = await cpuOfThreads(running.child.pid!, 'libuv-worker')
    const flood = floodSignIns(running.url, seconds * 1_000, 'wrong')
    const attacked = await timesDuring(flood)
    const statuses = await flood
    const hashed = (await cpuOfThreads(running.child.pid!, 'libuv-worker')) - cpu
    const hashing = (1_000 * hashed) / (performance.now() - began)
    const [p50, p99, p50Attacked, p99Attacked] = [without, attacked].flatMap((times) => [
      percentile(times, 50),
      percentile(times, 99),
    ])
    process.stdout.write(
      `sign-ins: ${JSON.stringify(statuses)}; signed in beside as many that are not hashed ${p50!.toFixed(1)} ms, p99 ${p99!.toFixed(1)}; beside these ${p50Attacked!.toFixed(1)}, p99 ${p99Attacked!.toFixed(1)}; hashing took ${hashing.toFixed(2)} processors\n`,
    )
    // Hashed and wrong, or not hashed at all; never anything else.
    expect(Object.keys(statuses)).toEqual(['401', '429'])
    expect(hashing).toBeLessThan(Math.max(1, availableParallelism() - 1) + 0.2)
    expect(p99Attacked).toBeLessThan(2 * p99!)
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

import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { availableParallelism, tmpdir } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { CommandLines } from './harness/command-lines.ts'
import { echoYaml } from './harness/echo.ts'
import { leave } from './harness/nothing-left.ts'
import { cpuOfThreads } from './harness/processes.ts'
import { basic, FIXTURES, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { floodSignIns } from './harness/sign-in-flood.ts'

/** How many turns there are of each kind, and how long each takes, in milliseconds. */
const TURNS = 15
const TURN = 600
/** Milliseconds between two requests of one client, so that the processors are not what is waited for. */
const PAUSE = 3
/** Milliseconds by which two times differ on a machine that has other things to do. */
const NOISE = 5
/** The share of the turns that have to be slower before it is mux that is. */
const NEARLY_ALL = 80

let project: Project
let running: Running | undefined
let orders: CommandLines | undefined
let shell: ChildProcess | undefined

afterEach(async () => {
  orders?.end()
  shell?.stdin!.end()
  await leave(project, running)
})

/** What an instance does, and what the same programs do by themselves, by a shell that runs them beside mux. */
interface Trouble {
  before?: () => Promise<unknown>
  meanwhile: () => Promise<unknown>
  after?: () => Promise<unknown>
  same: (turn: number) => string
  /** What else is asked of mux while the same programs run beside it. */
  instead?: () => Promise<unknown>
  /** By how many milliseconds others may be slower; by a fifth of their time, if not said. */
  allowed?: (usual: number) => number
  turns?: number
}

const aFifth = (usual: number) => Math.max(0.2 * usual, NOISE)

async function up(instances: string): Promise<(...argv: string[]) => Promise<number>> {
  project = await Project.create(echoYaml(instances))
  running = await Running.up(project)
  await Promise.all([project.addUser('graham', 'django1'), project.addUser('brian', 'django2')])
  orders = await CommandLines.start(project)
  shell = spawn('sh', { cwd: tmpdir(), stdio: ['pipe', 'ignore', 'ignore'] })
  return async (...argv) => (await orders!.run(argv)).code!
}

/**
 * What the slowest hundredth took tells of all else that the machine does as well, so nothing is judged by one turn, nor by
 * all of them together. Each turn with the trouble follows one in which the same programs run beside mux: what they cost the
 * processors is not of mux's making. What mux makes of it comes back in every turn, and all else in some; so others are
 * slower by it if they are so in nearly every turn.
 */
async function expectOthersUnharmed(title: string, trouble: Trouble): Promise<void> {
  const { url } = running!
  const request = (agent: Agent) => answered(url, 'graham', 200, agent)
  const { allowed = aFifth, turns: count = TURNS } = trouble
  // What comes first is slower for reasons of its own.
  await during(TURN, request)
  const turns: { without: number[]; beside: number[] }[] = []
  for (let turn = 0; turn < count; turn++) {
    shell!.stdin!.write(`${trouble.same(turn)} &\n`)
    const [without] = await Promise.all([during(TURN, request), trouble.instead?.()])
    await trouble.before?.()
    const [beside] = await Promise.all([during(TURN, request), trouble.meanwhile()])
    await trouble.after?.()
    turns.push({ without, beside })
  }
  const all = (kind: 'without' | 'beside') => told(turns.flatMap((turn) => turn[kind]))
  process.stdout.write(`others beside an instance that ${title}: ${all('beside')}; else ${all('without')}\n`)
  for (const share of [50, 99]) {
    const more = turns.map(({ without, beside }) => {
      const usual = percentile(without, share)
      return percentile(beside, share) - usual - allowed(usual)
    })
    const [fastest, middle, slowest] = [100 - NEARLY_ALL, 50, NEARLY_ALL].map((part) =>
      percentile(more, part).toFixed(0),
    )
    process.stdout.write(
      `  p${share} of a turn, over what is allowed: ${fastest} ms in the fastest fifth, ${middle} in the middle, ${slowest} in the slowest\n`,
    )
    expect(percentile(more, 100 - NEARLY_ALL)).toBeLessThan(0)
  }
}

it('an instance that crashes at every start costs its own users a quick 503, and others no more than a fifth of their time', async () => {
  const program = [process.execPath, '--eval', 'process.exit(1)']
  const order = await up(`{ django1: {}, django2: { command: ${JSON.stringify(program)} } }`)
  const refusals: number[] = []
  await expectOthersUnharmed('crashes', {
    // Its back-off begins anew: each of these turns has as many starts in it as any can have.
    before: async () => expect(await order('instance', 'start', 'django2')).toBe(1),
    meanwhile: async () => {
      const { url } = running!
      refusals.push(...(await during(TURN, (agent) => answered(url, 'brian', 503, agent), 10 * PAUSE)))
    },
    after: () => order('instance', 'stop', 'django2'),
    same: () => `sleep 0.4; ${process.execPath} --eval 'process.exit(1)'`,
  })
  process.stdout.write(`  its own refusals: ${told(refusals)}\n`)
  expect(percentile(refusals, 50)).toBeLessThan(100)
}, 120_000)

it('an instance that is restarted all the time costs others no more than a fifth of their time', async () => {
  const order = await up('{ django1: {}, django2: {} }')
  await ask(running!.url, '/', { user: 'brian' })
  await expectOthersUnharmed('is restarted', {
    meanwhile: async () => expect(await order('instance', 'restart', 'django2')).toBe(0),
    same: (turn) =>
      `MUX_SOCKET='${project.path(`beside-${turn}`)}' timeout 0.5 ${process.execPath} ${FIXTURES}/echo.mjs`,
  })
}, 120_000)

it('a flood of sign-ins costs those who are signed in no more than as much time again, and all processors but one', async () => {
  await up('{ django1: {}, django2: {} }')
  const { url, child } = running!
  const processors = Math.max(1, availableParallelism() - 1)
  const hash = `require('node:crypto').scryptSync('', '', 32, { N: 16384, r: 8, p: 5, maxmem: 2 ** 28 })`
  const used = () => cpuOfThreads(child.pid!, 'libuv-worker')
  let [hashing, lasted] = [0, 0]
  await expectOthersUnharmed('strangers try to sign in to', {
    meanwhile: async () => {
      const began = performance.now()
      const before = await used()
      await floodSignIns(url, TURN, 'wrong')
      hashing += (await used()) - before
      lasted += (performance.now() - began) / 1_000
    },
    // Answered once nothing of the flood is left.
    after: () => ask(url, '/', { headers: { authorization: basic(randomUUID(), 'wrong') } }),
    same: () => `timeout ${TURN / 1_000} ${process.execPath} --eval "for (;;) ${hash}"`,
    // As many requests, of which none is hashed.
    instead: () => floodSignIns(url, TURN, null),
    allowed: (usual) => usual,
    turns: 8,
  })
  process.stdout.write(`  hashing took ${(hashing / lasted).toFixed(2)} processors\n`)
  expect(hashing).toBeGreaterThan(0)
  // Never more at a time than those; the rest is what ticks of 10 ms may add.
  expect(hashing / lasted).toBeLessThan(processors + 0.2)
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

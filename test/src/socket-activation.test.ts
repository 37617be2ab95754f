import { execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { JsonLines } from './harness/json-lines.ts'
import { expectWhole, IN_FLIGHT, Load, printTally, REQUESTS, type Tally } from './harness/load.ts'
import { expectNothingLeft } from './harness/nothing-left.ts'
import { expectNoDefect } from './harness/outcomes.ts'
import { descriptorsOf } from './harness/processes.ts'
import { FIXTURES, muxCommand, passwordOf, Project } from './harness/project.ts'
import { until } from './harness/until.ts'

const TIMES = 5
const USERS = { graham: 'django1', brian: 'django2' }

let project: Project
let holder: JsonLines
let url: string
let load: Load | undefined

beforeAll(async () => {
  project = await Project.create(echoYaml('{ django1: {}, django2: {} }', { fixture: 'ledger.mjs' }))
  for (const [user, instance] of Object.entries(USERS)) await project.addUser(user, instance)
})

afterEach(async () => {
  load?.kill()
  await holder.end()
  expectNoDefect(holder.errors)
  await expectNothingLeft(project)
})

afterAll(() => project.remove())

/** Starts `mux up` under a parent that holds its socket and replaces it whenever it ends. */
async function hold(environment: NodeJS.ProcessEnv = {}): Promise<void> {
  const [command, args] = muxCommand(['up'])
  holder = new JsonLines('python3', [`${FIXTURES}/socket-holder.py`, command, ...args], {
    cwd: project.directory,
    env: { ...process.env, NO_COLOR: '1', ...environment },
  })
  const port = await holder.heard('the port', ({ port }) => port as number | undefined)
  url = `http://127.0.0.1:${port}`
}

/** The process that serves now: the one that was started last, once it answers. */
async function serving(): Promise<number> {
  expect((await ask(url, '/_mux/health')).status).toBe(200)
  return holder.last('a start', ({ started }) => started as number | undefined)
}

async function replace(): Promise<number> {
  const old = await serving()
  process.kill(old, 'SIGTERM')
  await holder.heard('its end', ({ ended, code }) => (ended === old ? String(code) : undefined), 30_000)
  return old
}

async function kill(): Promise<number> {
  const pid = holder.last('a start', ({ started }) => started as number | undefined)
  process.kill(pid, 'SIGKILL')
  await holder.heard('its end', ({ ended }) => (ended === pid ? true : undefined))
  return pid
}

/** A load during which mux is ended so many times; what ended is told by its pid, and when. */
async function under(
  keepAlive: boolean,
  end: () => Promise<number>,
): Promise<{ tally: Tally; ended: { pid: number; at: number }[] }> {
  await hold()
  await serving()
  load = new Load(url, USERS, { keepAlive })
  const ended: { pid: number; at: number }[] = []
  for (let n = 1; n <= TIMES; n++) {
    await load.reached((n * REQUESTS) / (TIMES + 1))
    const pid = await end()
    ended.push({ pid, at: Date.now() })
  }
  return { tally: await load.end(project), ended }
}

const absent = ['python3', 'systemd-notify'].filter((command) => !runs(command, '--version'))
// CI installs both, so there their absence is a failure and not a reason.
if (absent.length > 0 && process.env['CI']) throw new Error(`not installed: ${absent.join(', ')}`)
if (absent.length > 0)
  process.stderr.write(`skipped in part, since this machine lacks ${absent.join(', ')}\n`)
const hasPython = !absent.includes('python3')

describe.skipIf(!hasPython)('mux up with a listening socket that its parent holds (python3)', () => {
  const connections = [
    ['on connections that are kept', true],
    ['on a connection each', false],
  ] as const

  it.each(connections)(
    `loses none of ${REQUESTS} requests %s while it is replaced ${TIMES} times, and has none carried out twice`,
    async (title, keepAlive) => {
      const { tally, ended } = await under(keepAlive, replace)
      const replaced = new Set(ended.map(({ pid }) => pid)).size
      printTally(`replaced under load, ${title}`, tally, { replaced })
      expectWhole(tally)
      expect(replaced).toBe(TIMES)
    },
    180_000,
  )

  it.each(connections)(
    `killed ${TIMES} times under load, %s, costs what was under way with it and not a request more, and has none carried out twice`,
    async (title, keepAlive) => {
      const { tally, ended } = await under(keepAlive, kill)
      const { lost, carriedOut, misdelivered, refused, duplicated, unaccounted } = tally
      printTally(`killed under load, ${title}`, tally, {
        killed: ended.length,
        carriedOut: carriedOut.length,
      })
      expect({ misdelivered, refused, duplicated, unaccounted }).toEqual({
        misdelivered: [],
        refused: [],
        duplicated: [],
        unaccounted: [],
      })
      expect(lost.length).toBeLessThanOrEqual(TIMES * IN_FLIGHT)
      for (const { began, ended: failed, ...what } of lost) {
        const kill = ended.find(({ at }) => at >= began)
        expect(kill, JSON.stringify(what)).toBeDefined()
        // The client is told at once, and not by a limit of its own.
        expect(failed - kill!.at, JSON.stringify(what)).toBeLessThan(5_000)
      }
      // The instances have not noticed.
      for (const instance of Object.values(USERS)) expect(tally.processes[instance]).toHaveLength(1)
    },
    180_000,
  )

  it('lets those wait who come while none runs, and answers them when the next one does', async () => {
    await hold()
    const pid = await serving()
    process.kill(pid, 'SIGSTOP')
    process.kill(pid, 'SIGKILL')
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(url, '/', { user: 'graham' })))
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200))
    expect(await serving()).not.toBe(pid)
  })

  it('signs nobody out when it is replaced', async () => {
    await hold()
    await serving()
    const signedIn = await ask(url, '/_mux/signin', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: url, host: new URL(url).host },
      body: new URLSearchParams({ username: 'graham', password: passwordOf('graham'), next: '/' }).toString(),
    })
    const cookie = signedIn.headers['set-cookie']![0]!.split(';')[0]!
    await replace()
    const { status, json } = await ask(url, '/', { headers: { cookie } })
    expect([status, json().user]).toEqual([200, 'graham'])
  })

  it('hands the socket to no instance', async () => {
    await hold()
    const inode = (await descriptorsOf(await serving())).filter((name) => name.startsWith('socket:'))
    const { pid } = (await ask(url, '/', { user: 'graham' })).json() as { pid: number }
    const shared = (await descriptorsOf(pid)).filter((name) => inode.includes(name))
    expect(shared).toEqual([])
  })

  it('ends without waiting for clients that have never sent a whole request', async () => {
    await hold()
    const pid = await serving()
    const port = Number(new URL(url).port)
    const silent = connect(port, '127.0.0.1')
    const half = connect(port, '127.0.0.1')
    half.write('GET / HTTP/1.1\r\nHost: x\r\n')
    silent.on('error', () => {})
    half.on('error', () => {})
    await ask(url, '/_mux/health')
    const began = performance.now()
    process.kill(pid, 'SIGTERM')
    await holder.heard('its end', ({ ended }) => (ended === pid ? true : undefined))
    expect(performance.now() - began).toBeLessThan(3_000)
    silent.destroy()
    half.destroy()
  })
})

describe.skipIf(absent.length > 0)('mux up tells systemd how it is', () => {
  let manager: JsonLines
  afterEach(() => manager.end())

  async function notified(address: string, environment: NodeJS.ProcessEnv = {}): Promise<void> {
    manager = new JsonLines('python3', [`${FIXTURES}/notify-socket.py`, address])
    await manager.heard('the socket', (said) => said === 'bound' || undefined)
    await hold({ NOTIFY_SOCKET: address, ...environment })
  }
  const told = (state: string) =>
    manager.heard(state, (said) => (String(said).split('\n').includes(state) ? String(said) : undefined))
  const count = (state: string) =>
    manager.said.filter((said) => String(said).split('\n').includes(state)).length

  it.each([
    ['a path', 'notify'],
    ['an abstract address', `@mux-test-${process.pid}`],
  ])('at %s: ready when it serves, stopping when it ends', async (_, address) => {
    await notified(address.startsWith('@') ? address : project.path(address))
    expect(await told('READY=1')).toContain(`STATUS=Serving ${url}`)
    expect((await ask(url, '/_mux/health')).status).toBe(200)
    expect(count('STOPPING=1')).toBe(0)
    await holder.end()
    expect(await told('STOPPING=1')).toMatch(/EXTEND_TIMEOUT_USEC=\d+/)
    expect(count('WATCHDOG=1')).toBe(0)
  })

  it('gives a sign of life in time as long as it answers, and none while it does not', async () => {
    await notified(project.path('watched'), { WATCHDOG_USEC: '1000000' })
    await told('READY=1')
    const pid = await serving()
    await until('three signs of life', () => count('WATCHDOG=1') >= 3 || undefined)
    process.kill(pid, 'SIGSTOP')
    // What it had said before may still be on its way.
    await wait(1_000)
    const before = count('WATCHDOG=1')
    await wait(2_000)
    expect(count('WATCHDOG=1')).toBe(before)
    process.kill(pid, 'SIGCONT')
    await until('another sign of life', () => count('WATCHDOG=1') > before || undefined)
  })
})

function runs(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

import { execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { JsonLines } from './harness/json-lines.ts'
import { load, type Tally } from './harness/load.ts'
import { descriptorsOf, processesOf } from './harness/processes.ts'
import { FIXTURES, muxCommand, Project } from './harness/project.ts'
import { until } from './harness/until.ts'

const REQUESTS = 3_000
const REPLACEMENTS = 5

let project: Project
let holder: JsonLines
let url: string

beforeAll(async () => {
  project = await Project.create(echoYaml('{ django1: {}, django2: {} }'))
  await project.addUser('graham', 'django1')
  await project.addUser('brian', 'django2')
})

afterEach(async () => {
  await holder.end()
  const left = await processesOf(project)
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
  expect(left).toEqual([])
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

function print(title: string, tally: Tally, extra: Record<string, unknown>): void {
  const { answered, misdelivered, failed } = tally
  process.stdout.write(
    `${title}: ${JSON.stringify({ answered, lost: failed.length, misdelivered: misdelivered.length, ...extra })}\n`,
  )
}

const absent = ['python3', 'systemd-notify'].filter((command) => !runs(command, '--version'))
// CI installs both, so there their absence is a failure and not a reason.
if (absent.length > 0 && process.env['CI']) throw new Error(`not installed: ${absent.join(', ')}`)
if (absent.length > 0)
  process.stderr.write(`skipped in part, since this machine lacks ${absent.join(', ')}\n`)
const hasPython = !absent.includes('python3')

describe.skipIf(!hasPython)('mux up with a listening socket that its parent holds (python3)', () => {
  it.each([
    ['on connections that are kept', true],
    ['on a connection each', false],
  ])(
    `loses none of ${REQUESTS} requests %s while it is replaced ${REPLACEMENTS} times`,
    async (title, keepAlive) => {
      await hold()
      await serving()
      const replaced: number[] = []
      let tally: Tally | undefined
      const isEnough = (now: Tally) => {
        tally = now
        return now.answered + now.failed.length >= REQUESTS && replaced.length === REPLACEMENTS
      }
      const loading = load(
        url,
        { graham: 'django1', brian: 'django2' },
        { inFlight: 16, enough: isEnough, keepAlive },
      )
      while (replaced.length < REPLACEMENTS) {
        const due = (REQUESTS / (REPLACEMENTS + 1)) * (replaced.length + 1)
        await until(`${due} requests`, () => (tally && tally.answered >= due) || undefined, 60_000)
        replaced.push(await replace())
      }
      const { answered, failed, misdelivered } = await loading
      print(`replaced under load, ${title}`, tally!, { replaced: new Set(replaced).size })
      expect({ failed, misdelivered }).toEqual({ failed: [], misdelivered: [] })
      expect(answered).toBeGreaterThanOrEqual(REQUESTS)
      expect(new Set(replaced).size).toBe(REPLACEMENTS)
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

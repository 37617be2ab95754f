import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { absentOf } from './harness/absent.ts'
import { ask } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { Held } from './harness/held.ts'
import { JsonLines } from './harness/json-lines.ts'
import {
  expectLostByKills,
  expectWhole,
  Load,
  printTally,
  REQUESTS,
  type Kill,
  type Tally,
} from './harness/load.ts'
import { expectNothingLeft } from './harness/nothing-left.ts'
import { descriptorsOf, isStopped } from './harness/processes.ts'
import { FIXTURES, passwordOf, Project } from './harness/project.ts'
import { until } from './harness/until.ts'

const TIMES = 5
const USERS = { graham: 'django1', brian: 'django2' }

let project: Project
let mux: Held
let load: Load | undefined

beforeAll(async () => {
  project = await Project.create(echoYaml('{ django1: {}, django2: {} }', { fixture: 'ledger.mjs' }))
  for (const [user, instance] of Object.entries(USERS)) await project.addUser(user, instance)
})

afterEach(async () => {
  load?.kill()
  await mux.end()
  await expectNothingLeft(project)
})

afterAll(() => project.remove())

/** A load during which mux is ended so many times; what ended is told by its pid, and when. */
async function under(
  keepAlive: boolean,
  signal: NodeJS.Signals,
  requests = REQUESTS,
): Promise<{ tally: Tally; ended: (Kill & { pid: number })[] }> {
  mux = await Held.up(project)
  await mux.serving()
  load = new Load(mux.url, USERS, { keepAlive, requests })
  const ended: (Kill & { pid: number })[] = []
  for (let n = 1; n <= TIMES; n++) {
    await load.reached((n * requests) / (TIMES + 1))
    if (signal === 'SIGTERM') await mux.serving()
    const from = Date.now()
    ended.push({ pid: await mux.replace(signal), from, to: Date.now() })
  }
  return { tally: await load.end(project), ended }
}

const absent = absentOf(['python3', 'systemd-notify'])
const hasPython = !absent.includes('python3')

describe.skipIf(!hasPython)('mux up with a listening socket that its parent holds (python3)', () => {
  const connections = [
    ['on connections that are kept', true],
    ['on a connection each', false],
  ] as const

  it.each(connections)(
    `loses none of ${REQUESTS} requests %s while it is replaced ${TIMES} times, and has none carried out twice`,
    async (title, keepAlive) => {
      const { tally, ended } = await under(keepAlive, 'SIGTERM')
      const replaced = new Set(ended.map(({ pid }) => pid)).size
      printTally(`replaced under load, ${title}`, tally, { replaced })
      expectWhole(tally)
      expect(replaced).toBe(TIMES)
    },
  )

  it.each(connections)(
    `killed ${TIMES} times under load, %s, costs what was under way with it and not a request more, and has none carried out twice`,
    async (title, keepAlive) => {
      // What a kill costs is under way at that moment: on a connection each, fewer requests tell as much.
      const requests = keepAlive ? REQUESTS : 5_000
      const { tally, ended } = await under(keepAlive, 'SIGKILL', requests)
      const { carriedOut } = tally
      printTally(`killed under load, ${title}`, tally, {
        killed: ended.length,
        carriedOut: carriedOut.length,
      })
      expectLostByKills(tally, ended, requests)
      // The instances have not noticed.
      for (const instance of Object.values(USERS)) expect(tally.processes[instance]).toHaveLength(1)
    },
  )

  it('lets those wait who come while none runs, and answers them when the next one does', async () => {
    mux = await Held.up(project)
    const pid = await mux.serving()
    process.kill(pid, 'SIGSTOP')
    process.kill(pid, 'SIGKILL')
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(mux.url, '/', { user: 'graham' })))
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200))
    expect(await mux.serving()).not.toBe(pid)
  })

  it('signs nobody out when it is replaced', async () => {
    mux = await Held.up(project)
    await mux.serving()
    const signedIn = await ask(mux.url, '/_mux/signin', {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: mux.url,
        host: new URL(mux.url).host,
      },
      body: new URLSearchParams({ username: 'graham', password: passwordOf('graham'), next: '/' }).toString(),
    })
    const cookie = signedIn.headers['set-cookie']![0]!.split(';')[0]!
    await mux.replace()
    const { status, json } = await ask(mux.url, '/', { headers: { cookie } })
    expect([status, json().user]).toEqual([200, 'graham'])
  })

  it('serves nobody in plain HTTP at an address beyond loopback, unless only a front reaches it', async () => {
    const yaml = await project.read('mux.yaml')
    onTestFinished(() => project.write('mux.yaml', yaml))
    mux = await Held.up(project, {}, '0.0.0.0')
    // Who comes meanwhile waits in the socket, and is not answered either.
    const early = ask(mux.url, '/_mux/health').catch(() => 'no answer')
    expect(await mux.failure()).toEqual({
      code: 6,
      said: expect.stringMatching(/^error: On 0\.0\.0\.0 .*\[plain_http_refused\]$/m),
    })
    expect(await early).toBe('no answer')

    await project.write('mux.yaml', yaml.replace('edge: {', 'edge: { behind_proxy: true,'))
    mux = await Held.up(project, {}, '0.0.0.0')
    await mux.serving()
  })

  it('hands the socket to no instance', async () => {
    mux = await Held.up(project)
    const inode = (await descriptorsOf(await mux.serving())).filter((name) => name.startsWith('socket:'))
    const { pid } = (await ask(mux.url, '/', { user: 'graham' })).json() as { pid: number }
    const shared = (await descriptorsOf(pid)).filter((name) => inode.includes(name))
    expect(shared).toEqual([])
  })

  it('ends without waiting for clients that have never sent a whole request', async () => {
    mux = await Held.up(project)
    await mux.serving()
    const port = Number(new URL(mux.url).port)
    const silent = connect(port, '127.0.0.1')
    const half = connect(port, '127.0.0.1')
    half.write('GET / HTTP/1.1\r\nHost: x\r\n')
    silent.on('error', () => {})
    const said = half.on('error', () => {}).toArray()
    await ask(mux.url, '/_mux/health')
    await mux.replace()
    silent.destroy()
    half.destroySoon()
    // Who takes too long for a request is told so, when that time is over.
    expect(String(await said.catch(() => ''))).toBe('')
  })
})

describe.skipIf(absent.length > 0)('mux up tells systemd how it is', () => {
  let manager: JsonLines
  afterEach(() => manager.end())

  async function notified(address: string, environment: NodeJS.ProcessEnv = {}): Promise<void> {
    manager = new JsonLines('python3', [`${FIXTURES}/notify-socket.py`, address])
    await manager.heard('the socket', (said) => said === 'bound' || undefined)
    mux = await Held.up(project, { NOTIFY_SOCKET: address, ...environment })
  }
  const told = (state: string) =>
    manager.heard(state, (said) => (String(said).split('\n').includes(state) ? String(said) : undefined))
  const count = (state: string) =>
    manager.said.filter((said) => String(said).split('\n').includes(state)).length

  it.each([
    ['a path', 'notify'],
    ['an abstract address', `@mux-test-${randomUUID()}`],
  ])('at %s: ready when it serves, stopping when it ends', async (_, address) => {
    await notified(address.startsWith('@') ? address : project.path(address))
    expect(await told('READY=1')).toContain(`STATUS=Serving ${mux.url}`)
    expect((await ask(mux.url, '/_mux/health')).status).toBe(200)
    expect(count('STOPPING=1')).toBe(0)
    await mux.end()
    expect(await told('STOPPING=1')).toMatch(/EXTEND_TIMEOUT_USEC=\d+/)
    expect(count('WATCHDOG=1')).toBe(0)
  })

  it('gives a sign of life in time as long as it answers, and none while it does not', async () => {
    await notified(project.path('watched'), { WATCHDOG_USEC: '1000000' })
    await told('READY=1')
    const pid = await mux.serving()
    await until('three signs of life', () => count('WATCHDOG=1') >= 3 || undefined)
    process.kill(pid, 'SIGSTOP')
    await until('it to stand still', async () => (await isStopped(pid)) || undefined)
    // What it had said before is in order before this.
    const address = project.path('watched')
    execFileSync('systemd-notify', ['STATUS=stopped'], { env: { ...process.env, NOTIFY_SOCKET: address } })
    await told('STATUS=stopped')
    const before = count('WATCHDOG=1')
    await wait(2_000)
    expect(count('WATCHDOG=1')).toBe(before)
    process.kill(pid, 'SIGCONT')
    await until('another sign of life', () => count('WATCHDOG=1') > before || undefined)
  })
})

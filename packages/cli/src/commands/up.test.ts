import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import {
  addUser,
  createProject,
  firstMatch,
  isRunning,
  type TestProject,
  TWO_INSTANCES,
} from '../fixtures/mux.ts'
import { PROGRAM } from '../fixtures/run-mux.ts'

/** With an address that this machine does not have. */
const ELSEWHERE = TWO_INSTANCES.replace('"127.0.0.1:0"', '"192.0.2.1:80", behind_proxy: true')
const EAGER = TWO_INSTANCES.replace('  limits:', '  boot: eager\n  limits:')
const OFTEN = { interval: 25 }

let project: TestProject
afterEach(() => project.remove())

async function readyPid(name: string): Promise<number> {
  const find = async () => (await project.status()).instances.find((instance) => instance.name === name)
  await expect.poll(async () => (await find())?.state, OFTEN).toBe('ready')
  return (await find())!.generation!.pid
}

describe('mux up', () => {
  it('says where it serves, what it serves with, where the logs are, and how to add the first user', async () => {
    project = await createProject()
    const { url, said } = await project.up()
    expect((await fetch(`${url}/_mux/health`)).status).toBe(200)
    expect(said.stdout).toMatch(/instances +a, b\n/)
    expect(said.stdout).toContain('mux user add NAME')
    expect(said.stdout).toContain(join(project.directory, '.mux/logs'))
    expect(said.stderr).toMatch(/^time=\S+ event=up url=http/m)
  })

  it('told to end, answers what is under way, ends every process, and exits with 0', async () => {
    project = await createProject(EAGER)
    const graham = await addUser(project, 'graham', 'a')
    const { url, child, pid, said, ended } = await project.up()
    const pids = [await readyPid('a'), await readyPid('b')]
    const go = join(project.directory, 'go')
    const answer = fetch(`${url}/slow`, { headers: { ...graham, 'x-until': go } })
    await expect.poll(async () => (await project.status()).instances[0]?.inFlight, OFTEN).toBe(1)
    child.kill('SIGTERM')
    await expect.poll(() => said.stderr, OFTEN).toContain('event=ending')
    await writeFile(go, '')
    expect((await answer).status).toBe(200)
    expect((await ended).code).toBe(0)
    for (const each of [pid, ...pids]) expect(await isRunning(each)).toBe(false)
    expect((await project.mux('status')).code).toBe(5)
  })

  it('told twice, waits for nobody and still ends every process', async () => {
    project = await createProject(
      // For longer than this test may take.
      EAGER.replace('drain: 60s, stop: 60s', 'drain: 1h, stop: 1h').replace(
        'settings: {',
        'settings: { STUBBORN: "1",',
      ),
    )
    const { child, said, ended } = await project.up()
    const pids = [await readyPid('a'), await readyPid('b')]
    child.kill('SIGINT')
    await expect.poll(() => said.stderr, OFTEN).toContain('event=ending')
    child.kill('SIGINT')
    expect((await ended).code).toBe(0)
    for (const each of pids) expect(await isRunning(each)).toBe(false)
  })

  it('ending, takes no orders, and what is changed meanwhile counts for the next one', async () => {
    project = await createProject(
      EAGER.replace('stop: 60s', 'stop: 1h').replace('settings: {', 'settings: { STUBBORN: "1",'),
    )
    const { child, ended } = await project.up()
    await Promise.all([readyPid('a'), readyPid('b')])
    child.kill('SIGTERM')
    // It may still take the first ones.
    const order = async (verb: string) => (await project.mux('instance', verb, 'b', '--json')).json()
    await expect
      .poll(() => order('start'), OFTEN)
      .toMatchObject({
        error: { code: 'shutting_down', message: 'mux is just ending. Once it runs again, b serves.' },
      })
    expect(await order('restart')).toMatchObject({
      error: { code: 'shutting_down', hint: 'mux up --detach' },
    })
    expect(await project.mux('instance', 'set', 'a', 'LATE=1', '--no-restart')).toMatchObject({ code: 0 })
    expect(await project.read('mux.yaml')).toContain('LATE')
    expect(await project.mux('instance', 'stop', 'b')).toMatchObject({ code: 0 })
    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
  })

  it('killed, leaves its instances to the next one, which serves with them', async () => {
    project = await createProject(EAGER)
    const graham = await addUser(project, 'graham', 'a')
    const first = await project.up()
    const old = await readyPid('a')
    first.child.kill('SIGKILL')
    await first.ended
    expect(await isRunning(old)).toBe(true)
    const second = await project.up()
    const { pid } = (await (await fetch(second.url, { headers: graham })).json()) as { pid: number }
    expect(pid).toBe(old)
    expect(await readyPid('a')).toBe(old)
  })

  it('a second time is refused, naming the first one and where it serves, which goes on', async () => {
    project = await createProject()
    const { url, pid } = await project.up()
    const second = await project.mux('up')
    expect(second.code).toBe(4)
    expect(second.stderr).toContain('already_running')
    expect(second.stderr).toContain(`process ${pid}, ${url}`)
    expect((await fetch(`${url}/_mux/health`)).status).toBe(200)
  })

  it('on a taken port is refused before anything boots, and says how to choose another', async () => {
    project = await createProject(EAGER)
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`
    const refused = await project.mux('up', '--listen', address)
    other.close()
    expect(refused.code).toBe(4)
    expect(refused.stderr).toContain(address)
    expect(refused.stderr).toContain('--listen')
    expect(refused.stderr).not.toContain('event=started')
    await expect(stat(join(project.directory, '.mux/run/control.sock'))).rejects.toThrow('ENOENT')
    expect((await fetch(`${(await project.up()).url}/_mux/health`)).status).toBe(200)
  })

  it.each([
    ['without mux.yaml', null, 3, 'mux init'],
    ['with a broken mux.yaml', 'app: [', 1, 'line 1'],
    ['with an unusable address', ELSEWHERE, 1, 'address_unusable'],
  ])('%s is refused', async (_, yaml, code, hint) => {
    project = await createProject(yaml)
    const refused = await project.mux('up')
    expect(refused).toMatchObject({ code, stdout: '' })
    expect(refused.stderr).toContain(hint)
  })

  it('with a state directory that is none is refused', async () => {
    project = await createProject()
    await writeFile(join(project.directory, '.mux'), '')
    expect(await project.mux('up')).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('state_refused'),
    })
  })

  it('with a session key that others can read is refused', async () => {
    project = await createProject()
    await mkdir(join(project.directory, '.mux/keys'), { recursive: true })
    await writeFile(join(project.directory, '.mux/keys/session.key'), '', { mode: 0o644 })
    expect(await project.mux('up')).toMatchObject({ code: 6, stderr: expect.stringContaining('key_exposed') })
  })

  it('serves, and ends with 0, where nothing takes what it says; and opens no debugger upon SIGUSR1', async () => {
    project = await createProject()
    const words = ['-c', 'exec "$0" "$1" up > /dev/full', process.execPath, PROGRAM]
    const child = spawn('sh', words, { cwd: project.directory, stdio: ['ignore', 'ignore', 'pipe'] })
    const said = text(child.stderr)
    await expect.poll(() => project.status().catch(() => undefined), OFTEN).toMatchObject({ pid: child.pid })
    child.kill('SIGUSR1')
    expect((await project.status()).pid).toBe(child.pid)
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
    expect(await said).not.toContain('Debugger')
  })

  it('handed a socket that is none of TCP is refused, and takes nobody in', async () => {
    project = await createProject()
    const unix = createServer()
    await new Promise<void>((resolve) => unix.listen(join(project.directory, 'unix.sock'), resolve))
    const words = ['-c', 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$1" up', process.execPath, PROGRAM]
    // Node tells the descriptor of a server to nobody else.
    const { fd } = (unix as unknown as { _handle: { fd: number } })._handle
    const child = spawn('sh', words, { cwd: project.directory, stdio: ['ignore', 'ignore', 'pipe', fd] })
    unix.close()
    const [said, ended] = await Promise.all([text(child.stderr!), once(child, 'close')])
    expect(ended).toEqual([1, null])
    expect(said).toContain('[socket_unusable]')
  })

  it('in a directory that is too deep for a socket works, and so do the orders', async () => {
    project = await createProject()
    const deep = join(project.directory, 'x'.repeat(90), 'y'.repeat(90))
    await mkdir(deep, { recursive: true })
    await writeFile(join(deep, 'mux.yaml'), TWO_INSTANCES)
    const { child, ended } = await project.up('--project', deep)
    const started = await project.mux('instance', 'start', 'a', '--project', deep)
    child.kill('SIGTERM')
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('a is ready') })
    expect((await ended).code).toBe(0)
  })

  it('goes on when whoever read its output has gone', async () => {
    project = await createProject()
    const { url, child } = await project.up()
    child.stdout!.destroy()
    child.stderr!.destroy()
    expect((await project.mux('instance', 'start', 'a')).code).toBe(0)
    expect((await fetch(`${url}/_mux/health`)).status).toBe(200)
  })

  it('with --json says where it serves in one document', async () => {
    project = await createProject()
    const up = project.start({}, 'up', '--json')
    await firstMatch(up, /\n}\n/)
    const document = JSON.parse(up.said.stdout) as { url: string; pid: number }
    expect(document).toMatchObject({ pid: up.pid, instances: ['a', 'b'], users: 0 })
    up.child.kill('SIGTERM')
    expect(await up.ended).toMatchObject({ code: 0, stdout: up.said.stdout })
  })
})

describe('mux up --detach', () => {
  it('returns when it serves; mux down ends it with every process; and then there is nothing to end', async () => {
    project = await createProject(EAGER)
    const started = await project.mux('up', '--detach', '--json')
    const { pid, url } = JSON.parse(started.stdout) as { pid: number; url: string }
    expect(started.code).toBe(0)
    expect((await fetch(`${url}/_mux/health`)).status).toBe(200)
    const instance = await readyPid('a')
    expect(await project.mux('down')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`process ${pid}`),
    })
    expect(await isRunning(pid)).toBe(false)
    expect(await isRunning(instance)).toBe(false)
    const log = await readFile(join(project.directory, '.mux/logs/mux.log'), 'utf8')
    expect(
      log
        .trimEnd()
        .split('\n')
        .every((line) => /^time=\S+ event=\S+/.test(line)),
    ).toBe(true)
    expect(log).toMatch(/event=down\n$/)
    expect(await project.mux('down')).toMatchObject({ code: 5, stderr: expect.stringContaining('mux up') })
  })

  it('fails with what it failed with, and leaves nothing running', async () => {
    project = await createProject(ELSEWHERE)
    const refused = await project.mux('up', '--detach')
    expect(refused).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('address_unusable'),
    })
    expect((await project.mux('status')).code).toBe(5)
  })

  it('whose starter is killed before it had word of it ends by itself', async () => {
    project = await createProject()
    // Who is started in the background stops before it does anything; caught in the act, it may have been quicker.
    const stop = join(project.directory, 'stop.cjs')
    await writeFile(stop, `if (process.send) process.kill(process.pid, 'SIGSTOP')`)
    const starter = project.start({ NODE_OPTIONS: `--require=${stop}` }, 'up', '--detach')
    const children = async () =>
      (await readFile(`/proc/${starter.pid}/task/${starter.pid}/children`, 'utf8')).trim()
    const state = async () => readFile(`/proc/${await children()}/stat`, 'latin1').catch(() => '')
    await expect.poll(state, OFTEN).toMatch(/\) T /)
    const child = Number(await children())
    starter.child.kill('SIGKILL')
    await starter.ended
    process.kill(child, 'SIGCONT')
    await expect.poll(() => project.read('.mux/logs/mux.log'), OFTEN).toMatch(/event=down\n$/)
    expect((await project.mux('status')).code).toBe(5)
  })
})

describe('mux up --host', () => {
  const HOST = ['--host', 'h1', '--listen', '127.0.0.1:0', '--origin', 'https://h1.example.com']

  it('serves nobody but an edge that knows the key of this host, and records where its instances are', async () => {
    project = await createProject()
    await mkdir(join(project.directory, '.mux/keys'), { recursive: true })
    const key = `${Buffer.alloc(32, 7).toString('base64')}\n`
    await writeFile(join(project.directory, '.mux/keys/host-h1.key'), key, { mode: 0o600 })
    const { url } = await project.up(...HOST)
    const refused = await fetch(url, { headers: { 'mux-user': 'graham', 'mux-instance': 'a' } })
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ code: 'assertion_invalid' })
    expect(await project.status()).toMatchObject({ host: 'h1' })
    await addUser(project, 'graham', 'a')
    const { stdout } = await project.mux('user', 'show', 'graham', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ host: 'h1' })
  })

  it('without a key is refused, with how it gets one', async () => {
    project = await createProject()
    const refused = await project.mux('up', ...HOST)
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('mux host join h1') })
  })

  it('is not needed where mux.yaml says so, and cannot say something else', async () => {
    const hostAt = (listen: string) =>
      `${TWO_INSTANCES}host: { name: h1, origin: "https://h1.example.com", listen: "${listen}" }\n`
    project = await createProject(hostAt('127.0.0.1:0'))
    await mkdir(join(project.directory, '.mux/keys'), { recursive: true })
    const key = `${Buffer.alloc(32, 7).toString('base64')}\n`
    await writeFile(join(project.directory, '.mux/keys/host-h1.key'), key, { mode: 0o600 })
    const other = await project.mux('up', '--host', 'h2')
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('This project is the host h1') })
    const up = await project.mux('up', '--detach', '--origin', 'https://other.example.com')
    expect(up.stdout).toContain('as the host h1, for an edge that reaches it at https://other.example.com')
    expect(await project.status()).toMatchObject({ host: 'h1' })
    expect((await project.mux('down')).code).toBe(0)
    await project.write('mux.yaml', hostAt('0.0.0.0:0'))
    expect((await project.mux('up')).stderr).toContain('[plain_http_refused]')
  })

  it.each([
    ['with an origin alone', ['--origin', 'https://h1.example.com']],
    ['without an address', ['--host', 'h1']],
    ['under an impossible name', ['--host', '../h1', ...HOST.slice(2)]],
    ['at a URL with a path', [...HOST.slice(0, 5), 'https://h1.example.com/mux']],
  ])('%s is wrong usage', async (_, args) => {
    project = await createProject()
    expect((await project.mux('up', ...args)).code).toBe(2)
  })
})

import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { CONTROL_PATH, parseHostName, parseInstanceName, parseUserName } from '@mux/contract'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { signControl } from './control-signer.ts'
import { controlRing } from './edge-keys.ts'
import { createProject, type Running, type TestProject } from './fixtures/mux.ts'
import { replaceCurrent, retireBefore } from './key-ring.ts'
import { projectAt } from './project.ts'
import { orderHost, type RemoteHost, runOnHost } from './remote-host.ts'

const OFTEN = { interval: 100 }
/** Milliseconds for an order, of which none here is to come near. */
const LIMIT = 60_000
const NAME = parseHostName('web1')!
const INSTANCE = parseInstanceName('a')!

let project: TestProject
let running: Running & { url: string }
let host: RemoteHost
beforeAll(async () => {
  project = await createProject()
  const keys = join(project.directory, '.mux/keys')
  mkdirSync(keys, { recursive: true, mode: 0o700 })
  const key = randomBytes(32)
  const write = (name: string, bytes: Uint8Array) =>
    writeFileSync(join(keys, name), `${Buffer.from(bytes).toString('base64')}\n`, { mode: 0o600 })
  write('host-web1.key', randomBytes(32))
  write('control-web1.key', key)
  host = { name: NAME, origin: '', key }
  await up()
})
afterAll(() => project.remove())

async function up(): Promise<void> {
  running = await project.up('--host', 'web1', '--origin', 'https://web1.example', '--listen', '127.0.0.1:0')
  host = { ...host, origin: running.url }
}

/** Runs a command on the host to its end. */
async function run(args: string, options: { stdin?: string; signal?: AbortSignal } = {}) {
  const said = { stdout: '', stderr: '' }
  const into = (name: keyof typeof said) =>
    new Writable({
      write: (chunk: Buffer, _, done) => {
        said[name] += chunk.toString()
        done()
      },
    })
  const { stdin, signal } = options
  const code = runOnHost(host, args.split(' '), {
    stdout: into('stdout'),
    stderr: into('stderr'),
    ...(stdin === undefined ? {} : { stdin: Readable.from([Buffer.from(stdin)]) }),
    ...(signal && { signal }),
  })
  return { code, said }
}

it('an operator elsewhere starts, changes and reads the instances of a host', async () => {
  expect(await orderHost(host, { op: 'status' }, LIMIT)).toMatchObject({ host: 'web1', pid: running.pid })
  const started = await run('instance start a')
  expect(await started.code).toBe(0)
  expect(started.said.stdout).toMatch(/^a is ready/)
  const set = await run('instance set a COLOUR=blue --json')
  expect(await set.code).toBe(0)
  expect(JSON.parse(set.said.stdout)).toMatchObject({ instance: 'a' })
  expect(await project.read('mux.yaml')).toContain('COLOUR: blue')
  const absent = await run('instance show zz')
  expect(await absent.code).toBe(3)
  expect(absent.said.stderr).toContain('[instance_not_found]')
})

it('a log that is followed from elsewhere is followed no longer when its reader, or the host, has gone', async () => {
  const log = join(project.directory, '.mux/logs/a.log')
  const leave = new AbortController()
  const first = await run('instance logs a --follow', { signal: leave.signal })
  const second = await run('instance logs a --follow')
  let lines = 0
  const bothFollow = () => {
    appendFileSync(log, `line ${lines++}\n`)
    return [first, second].every(({ said }) => said.stdout.includes('line'))
  }
  await expect.poll(bothFollow, OFTEN).toBe(true)
  const commands = commandsIn(project.directory)
  expect(commands).toHaveLength(2)
  leave.abort(new Error('left'))
  await expect(first.code).rejects.toThrow('left')
  await expect.poll(() => commandsIn(project.directory).length, OFTEN).toBe(1)
  running.child.kill('SIGKILL')
  await expect(second.code).rejects.toMatchObject({ code: 'host_unreachable' })
  await expect.poll(() => commandsIn(project.directory), OFTEN).toEqual([])
  await running.ended
  await up()
})

it('a host holds what it is told to, and knows which records are too old for good', async () => {
  const until = Date.now() + 60_000
  const held = await orderHost(host, { op: 'hold', instance: INSTANCE, for: 60_000 }, LIMIT)
  expect(Date.parse(held.until)).toBeGreaterThanOrEqual(until)
  expect(await orderHost(host, { op: 'release', instance: INSTANCE }, LIMIT)).toEqual({ released: 0 })
  const elsewhere = orderHost(host, { op: 'hold', instance: parseInstanceName('zz')!, for: 60_000 }, LIMIT)
  await expect(elsewhere).rejects.toMatchObject({ code: 'instance_not_found' })
  const know = (version: number) => {
    const users = [{ name: parseUserName('brian')!, version }]
    return orderHost(host, { op: 'known', users }, LIMIT)
  }
  expect(await know(5)).toEqual({ raised: 1, closed: 0 })
  running.child.kill('SIGKILL')
  await running.ended
  await up()
  expect(await know(5)).toEqual({ raised: 0, closed: 0 })
  expect(await know(6)).toEqual({ raised: 1, closed: 0 })
})

it('an order that was heard on its way is not carried out again, also not after a restart of the host', async () => {
  const body = JSON.stringify({ v: 1, op: 'keys' })
  const sha256 = createHash('sha256').update(body).digest('base64')
  const headers = signControl(
    host.key,
    { method: 'POST', target: CONTROL_PATH, host: NAME, sha256 },
    Date.now(),
  )
  const send = async () => (await fetch(host.origin + CONTROL_PATH, { method: 'POST', headers, body })).status
  expect([await send(), await send()]).toEqual([200, 403])
  expect(await project.mux('down')).toMatchObject({ code: 0 })
  await up()
  expect(await send()).toBe(403)
  await expect.poll(() => running.said.stderr, OFTEN).toContain('event=control_refused reason=replayed')
})

it('a key that the operator has changed is not accepted any more when it is retired', async () => {
  const next = randomBytes(32)
  const ring = controlRing(projectAt(project.directory), NAME)
  await replaceCurrent(ring, Date.now(), next)
  await orderHost(host, { op: 'keys' }, LIMIT)
  const other = { ...host, key: next }
  expect(await orderHost(other, { op: 'keys' }, LIMIT)).toMatchObject({ pid: running.pid })
  expect(await orderHost(host, { op: 'keys' }, LIMIT)).toMatchObject({ pid: running.pid })
  await retireBefore(ring, Infinity)
  await orderHost(other, { op: 'keys' }, LIMIT)
  await expect(orderHost(host, { op: 'keys' }, LIMIT)).rejects.toMatchObject({ code: 'host_refused' })
})

/** The processes that a host runs in a project for its operator. */
function commandsIn(directory: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return words.includes('--follow') && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(directory)
    } catch {
      return false
    }
  })
}

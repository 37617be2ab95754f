import {
  chmodSync,
  existsSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ControlError } from '@mux/contract'
import { Ports } from './addresses.ts'
import { boot, BootError } from './boot.ts'
import {
  define,
  fixture,
  laboratory,
  lives,
  logKeeper,
  nameOf,
  temporaryDirectory,
} from './fixtures/laboratory.ts'
import type { Generation } from './generation.ts'
import { SettingsHistory } from './settings-history.ts'

/** Hands out one port after the other of those that it is given. */
class GivenPorts extends Ports {
  readonly #given: number[]
  constructor(given: number[]) {
    super()
    this.#given = given
  }
  override async take(): Promise<number> {
    return this.#given.shift() ?? super.take()
  }
}

async function bootOnce(
  definition: ReturnType<typeof define>,
  { ports = new Ports(), signal = new AbortController().signal, onLaunch = () => {} } = {},
) {
  const stateDirectory = temporaryDirectory()
  const launched: Generation[] = []
  const habitat = {
    stateDirectory,
    environment: { PATH: process.env['PATH'], HOME: '/home/op', SECRET_OF_THE_SUPERVISOR: 'planted' },
    ports,
    logs: logKeeper(stateDirectory),
    history: new SettingsHistory(stateDirectory, () => {}),
    hurry: new AbortController().signal,
  }
  onTestFinished(async () => {
    for (const generation of launched) await generation.end()
  })
  const order = {
    definition,
    number: 1,
    signal,
    launched: (generation: Generation) => {
      launched.push(generation)
      onLaunch()
    },
  }
  const outcome = await boot(habitat, order).catch((error: unknown) => error)
  return { outcome, launched, stateDirectory }
}

/**
 * Milliseconds within which a program is up for sure, as fast as this machine is at the moment: a failure that tells what it
 * did is told only once they are over.
 */
async function ample(): Promise<number> {
  const began = performance.now()
  expect((await bootOnce(define('django1', 'serves'))).outcome).not.toBeInstanceOf(Error)
  return Math.ceil(10 * (performance.now() - began))
}

async function failureOf(definition: ReturnType<typeof define>): Promise<BootError> {
  const { outcome, launched, stateDirectory } = await bootOnce(definition)
  expect(outcome).toBeInstanceOf(BootError)
  expect(launched.map(({ pid }) => lives(pid))).not.toContain(true)
  expect(readdirSync(join(stateDirectory, 'run'))).toEqual([])
  return outcome as BootError
}

async function strangerOn(): Promise<number> {
  const server = createServer((_, response) => response.end('not yours'))
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

describe('a generation', () => {
  it('is called mux:<instance> in ps, in a session and a process group of its own', async () => {
    const { launched } = await bootOnce(define('django1', 'serves'))
    const { pid } = launched[0]!
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toMatch(/^mux:django1\0/)
    const [, , group, session] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    expect([Number(group), Number(session)]).toEqual([pid, pid])
  })

  it('has standard input from nowhere, its output in its log, and no other descriptor of ours', async () => {
    const program = define('django1', 'serves', { command: ['sleep', '60'] })
    const stateDirectory = temporaryDirectory()
    const { supervisor } = await laboratory([program], { stateDirectory })
    const starting = supervisor.start(nameOf('django1')).catch((error: unknown) => error)
    await expect.poll(() => supervisor.status().instances[0]!.generation?.pid).toBeGreaterThan(0)
    const { pid } = supervisor.status().instances[0]!.generation!
    const log = join(stateDirectory, 'logs', 'django1.log')
    const descriptors = () =>
      readdirSync(`/proc/${pid}/fd`).map((n) => `${n} ${readlinkSync(`/proc/${pid}/fd/${n}`)}`)
    const output = expect.stringMatching(/^[12] .*\/output\/django1\.1\.[0-9a-f]{8}\.out$/)
    // Its libraries it opens and closes itself, at its beginning.
    await expect.poll(descriptors).toEqual(['0 /dev/null', output, output])
    await expect.poll(() => existsSync(log) && statSync(log).mode & 0o777).toBe(0o600)
    await supervisor.stop(nameOf('django1'))
    await starting
  })

  it('sees its settings and nothing of the supervisor beyond the documented few', async () => {
    const stateDirectory = temporaryDirectory()
    const secretFile = join(stateDirectory, 'key')
    writeFileSync(secretFile, 'hush\n')
    chmodSync(secretFile, 0o600)
    const settings = { DATABASE_NAME: '{data}/db', KEY: { secretFile } }
    const environment = { PATH: process.env['PATH'], HOME: '/home/op', TOKEN: 'planted' }
    const { ask } = await laboratory([define('django1', 'serves', { settings })], {
      stateDirectory,
      environment,
    })
    const seen = (await ask('django1')).environment
    const data = join(stateDirectory, 'data', 'django1')
    expect(seen).toEqual({
      PATH: process.env['PATH'],
      HOME: '/home/op',
      DATABASE_NAME: `${data}/db`,
      KEY: 'hush',
      PORT: expect.stringMatching(/^\d+$/),
      MUX_INSTANCE: 'django1',
      MUX_DATA: data,
      MUX_GENERATION: expect.stringMatching(/^django1\.1\.[0-9a-f]{32}$/),
    })
    expect(statSync(data).mode & 0o777).toBe(0o700)
  })

  it('does not keep its supervisor from ending, should it not end itself', async () => {
    const { outcome } = await bootOnce(define('django1', 'serves'))
    expect((outcome as Generation).exit).toBeUndefined()
    expect(process.getActiveResourcesInfo()).not.toContain('ProcessWrap')
  })

  it('is reached on a Unix socket when it asks for one', async () => {
    const { outcome, stateDirectory } = await bootOnce(
      define('django1', 'serves', { settings: { BIND: '{socket}' } }),
    )
    expect((outcome as Generation).address).toEqual({
      socketPath: join(stateDirectory, 'run', 'django1.1.sock'),
    })
  })

  it('is ready when its health path answers 2xx or 3xx', async () => {
    const healthy = (status: number, limits = {}) =>
      define('django1', 'is-unhealthy', { health: '/up', settings: { STATUS: `${status}` }, limits })
    expect((await bootOnce(healthy(204))).outcome).not.toBeInstanceOf(Error)
    expect((await bootOnce(healthy(302))).outcome).not.toBeInstanceOf(Error)
    expect((await failureOf(healthy(404, { start: await ample() }))).message).toMatch(
      /^It was not ready within [\d.]+ s: GET \/up was answered 404/,
    )
  })

  it('gets another port when somebody else listens on the one that it was given', async () => {
    const taken = await strangerOn()
    const { outcome, launched } = await bootOnce(define('django1', 'serves'), {
      ports: new GivenPorts([taken]),
    })
    expect(launched).toHaveLength(2)
    expect((outcome as Generation).address).not.toEqual({ port: taken })
  })

  it('is never confused with somebody else who answers its probe', async () => {
    const taken = [await strangerOn(), await strangerOn(), await strangerOn()]
    const { outcome } = await bootOnce(define('django1', 'never-listens'), {
      ports: new GivenPorts([...taken]),
    })
    expect(outcome).toBeInstanceOf(BootError)
    expect((outcome as BootError).message).toBe(
      `Port ${taken[2]}, which it was given, is answered by another process.`,
    )
  })
})

describe('a generation that does not become ready', () => {
  it('by exiting says so at once, with its code and its last words, fit for a terminal', async () => {
    const failure = await failureOf(define('django1', 'exits-at-once'))
    expect(failure.message).toBe('It exited with code 3 before it was ready.')
    expect(failure.log).toEqual([String.raw`cannot open database\x1b[2J`])
  })

  it('because it goes into the background is told to stay', async () => {
    const command = ['sh', '-c', 'sleep 60 & exit 0'] as const
    expect((await failureOf(define('django1', 'serves', { command }))).message).toBe(
      'It exited with code 0 before it was ready; its command has to stay in the foreground.',
    )
  })

  it('within its limit is ended with its whole tree', async () => {
    const failure = await failureOf(define('django1', 'never-listens', { limits: { start: 300 } }))
    expect(failure.message).toMatch(/^It was not ready within 0.3 s: nothing listens there \(http:\/\/127/)
    expect(failure.passing).toBe(true)
  })

  it('on its port, but on another, is told where it went', async () => {
    const failure = await failureOf(
      define('django1', 'listens-elsewhere', { limits: { start: await ample() } }),
    )
    expect(failure.message).toMatch(/It listens on port \d+ instead of \{port\}\.$/)
  })

  it('because somebody gave it up is ended, and the reason is passed on', async () => {
    const giveUp = new AbortController()
    const { outcome, launched } = await bootOnce(define('django1', 'never-listens'), {
      signal: giveUp.signal,
      onLaunch: () => setTimeout(() => giveUp.abort(new Error('another order came')), 50),
    })
    expect(outcome).toMatchObject({ message: 'another order came' })
    expect(lives(launched[0]!.pid)).toBe(false)
  })

  const missing = join(tmpdir(), 'not-there')
  it.each([
    [
      'a missing program',
      { command: ['no-such-program'] as const },
      'command: no-such-program was not found in PATH.',
    ],
    [
      'a file that is no program',
      { command: [fixture('serves')] as const },
      /^command: .* is not executable\.$/,
    ],
    ['a bad directory', { directory: missing }, `directory: ${missing} is not a directory.`],
    [
      'a missing secret',
      { settings: { K: { secretFile: missing } } },
      'settings.K: its secret does not exist.',
    ],
    ['an unknown placeholder', { settings: { K: '{prot}' } }, /^settings\.K: \{prot\} is not a placeholder/],
    [
      'two addresses',
      { command: ['x', '{port}', '{socket}'] as const },
      /^\{socket\} and \{port\} are both named/,
    ],
    [
      'arguments too long',
      { command: ['true', 'x'.repeat(200_000)] as const },
      /^command: true could not be started/,
    ],
  ])('for %s names the field, and is not tried again by itself', async (_, changes, message) => {
    const failure = await failureOf(define('django1', 'serves', changes))
    expect(failure.message).toMatch(message)
    expect(failure.passing).toBe(false)
  })

  it('because the first line of its program names no interpreter says so', async () => {
    const script = join(temporaryDirectory(), 'app')
    writeFileSync(script, '#!/no/such/interpreter\n', { mode: 0o755 })
    const { message } = await failureOf(define('django1', 'serves', { command: [script] }))
    expect(message).toBe(
      `command: ${script} could not be started: the interpreter that its first line names does not exist.`,
    )
  })

  it('is told to the operator with the command that shows more', async () => {
    const { supervisor } = await laboratory([define('django1', 'exits-at-once')])
    const failure = await supervisor.start(nameOf('django1')).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ControlError)
    expect(failure).toMatchObject({
      code: 'instance_failed',
      message: 'It exited with code 3 before it was ready.',
      hint: 'mux instance logs django1',
      log: [String.raw`cannot open database\x1b[2J`],
    })
  })
})

import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createToken } from '@mux/edge/registry'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask, valuesOf } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { filesBelow } from './harness/files.ts'
import { leave } from './harness/nothing-left.ts'
import { environmentOf } from './harness/processes.ts'
import { basic, type Outcome, Project } from './harness/project.ts'
import { plantRecord, readRecords } from './harness/registry.ts'
import { Running } from './harness/running.ts'

const unguessable = (what: string) => `${what}-${randomBytes(12).toString('hex')}`
const password = unguessable('planted-password')
const newPassword = unguessable('planted-new-password')
const wrongPassword = unguessable('planted-wrong-password')
const setting = unguessable('planted-setting')
const environment = unguessable('planted-environment')
const token = createToken()

let project: Project
let running: Running
/** What must never be readable, by what it is. */
const secrets: Record<string, string> = {
  password,
  newPassword,
  wrongPassword,
  setting,
  environment,
  'the password as Basic credentials': basic('brian', password).slice('Basic '.length),
  'the wrong password as Basic credentials': basic('brian', wrongPassword).slice('Basic '.length),
}
/** Everything that mux has said, by where it was said. */
const said: Record<string, string> = {}

/** Runs a command as often as there are ways for it to talk, and keeps all of what it says. */
async function run(args: string[], input?: string): Promise<Outcome> {
  const outcome = await project.run(args, { ...(input === undefined ? {} : { input }), env: { DEBUG: '*' } })
  said[`mux ${args.join(' ')} (${Object.keys(said).length})`] = outcome.stdout + outcome.stderr
  return outcome
}

/** Asks, and keeps all of the answer less the cookie that a sign-in is for. */
async function visit(target: string, options: Parameters<typeof ask>[2] = {}) {
  const answer = await ask(running.url, target, options)
  const headers = answer.rawHeaders.map((text) => text.replace(/^__Host-mux=[^;]+/, ''))
  said[`${options.method ?? 'GET'} ${target} (${Object.keys(said).length})`] =
    JSON.stringify(headers) + answer.body
  return answer
}

beforeAll(async () => {
  project = await Project.create(
    echoYaml('{ django1: {}, django2: {}, broken: { settings: { FAIL_BOOT: no } } }'),
  )
  running = await Running.up(project, [], { PLANTED: environment, DEBUG: '*' })

  // Whoever looks at the processes of the machine meanwhile sees them come and go.
  const over = new AbortController()
  const watching = (async () => {
    while (!over.signal.aborted) {
      const { stdout } = await promisify(execFile)('ps', ['-ww', '-eo', 'args='])
      said['ps'] = (said['ps'] ?? '') + stdout
      await wait(100)
    }
  })()
  await everything().finally(() => over.abort())
  await watching
})
afterAll(async () => {
  await leave(project, running)
})

/** What an operator, a user and a stranger do, the failures included. */
async function everything(): Promise<void> {
  const add = ['user', 'add', 'brian', '--instance', 'django2', '--password-stdin']
  expect((await run(add, `${password}\n`)).code).toBe(0)
  expect((await run(add, `${password}\n`)).code).toBe(0)
  expect((await run(add, `${wrongPassword}\n`)).code).toBe(4)
  expect(
    (await run(['user', 'add', 'eve', '--instance', 'ghost', '--password-stdin'], `${password}\n`)).code,
  ).toBe(3)
  expect((await run(['instance', 'set', 'django2', '--secret', 'API_KEY'], `${setting}\n`)).code).toBe(0)
  expect((await run(['instance', 'set', 'broken', '--secret', 'API_KEY'], `${setting}\n`)).code).toBe(0)
  expect(
    (await run(['user', 'add', 'graham', '--instance', 'broken', '--password-stdin'], `${password}\n`)).code,
  ).toBe(0)
  const record = {
    v: 1,
    user: 'brian',
    sha256: token.sha256,
    expires: null,
    label: null,
  }
  plantRecord(project, 'token', token.id, JSON.stringify(record))

  await visit('/', { headers: { authorization: basic('brian', password) } })
  await visit('/', { headers: { authorization: basic('brian', wrongPassword) } })
  await visit('/', { headers: { authorization: basic('graham', password) } })
  await visit('/', { headers: { authorization: basic('graham', password), accept: 'text/html' } })
  await visit('/', { headers: { authorization: `Basic ${basic('brian', password)}` } })
  const bearer = await visit('/', { headers: { authorization: `Bearer ${token.token}` } })
  expect(bearer.json().instance).toBe('django2')
  await visit('/', { headers: { authorization: `Bearer ${token.token}x` } })
  for (const typed of [password, wrongPassword]) {
    const answer = await visit('/_mux/signin', {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: new URL(running.url).origin,
        host: new URL(running.url).host,
      },
      body: new URLSearchParams({ username: 'brian', password: typed, next: '/' }).toString(),
    })
    const cookie = answer.headers['set-cookie']?.[0]?.split(';')[0]
    if (cookie !== undefined) secrets['cookie'] = cookie.slice('__Host-mux='.length)
  }
  const cookie = `__Host-mux=${secrets['cookie']}`
  const page = await visit('/', { headers: { cookie: `a=1; ${cookie}; b=2` } })
  expect(valuesOf(page.json().headers, 'cookie')).toEqual(['a=1; b=2'])
  await visit('/_mux/session', { headers: { cookie } })
  await visit('/_mux/signin', { headers: { cookie } })
  await visit('/die', { headers: { cookie } })
  await visit('/', { headers: { cookie } })

  expect((await run(['instance', 'restart', 'broken'])).code).toBe(1)
  expect((await run(['instance', 'set', 'django2', 'FAIL_BOOT=yes'])).code).toBe(1)
  for (const args of [
    ['status'],
    ['status', 'django2'],
    ['user', 'list'],
    ['user', 'show', 'brian'],
    ['instance', 'show', 'django2'],
    ['instance', 'logs', 'broken'],
    ['instance', 'restart', 'django2'],
  ]) {
    await Promise.all([run(args), run([...args, '--json'])])
  }
  expect(
    (
      await run(
        ['user', 'password', 'brian', '--password-stdin', '--keep-tokens', '--json'],
        `${newPassword}\n`,
      )
    ).code,
  ).toBe(0)
  // The Authorization of a request is looked at before anything else can be wrong with it.
  await visit('/', { headers: { authorization: basic('brian', newPassword), 'x-odd': 'a'.repeat(4_000) } })
  expect((await run(['instance', 'unset', 'broken', 'API_KEY', '--no-restart'])).code).toBe(0)
  said['the foreground'] = running.output()
}

/** Everything that is a text or holds one, in the state directory and beside it, less what is there to keep a secret. */
async function filesOf(directory: string): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {}
  for (const [name, stats] of await filesBelow(directory)) {
    if (/^\.mux\/(keys|secrets)\//.test(name) || !stats.isFile()) continue
    // It may have gone meanwhile: an instance comes and goes that does not start.
    const text = await readFile(join(directory, name)).catch(() => undefined)
    if (text !== undefined) files[name] = text
  }
  return files
}

async function keys(): Promise<Record<string, string>> {
  const directory = project.path('.mux/keys')
  const found: Record<string, string> = {}
  for (const name of await readdir(directory)) {
    const text = (await readFile(join(directory, name), 'utf8')).trim()
    found[`key ${name}`] = text
    found[`key ${name} in hex`] = Buffer.from(text, 'base64').toString('hex')
    found[`key ${name} as URL text`] = Buffer.from(text, 'base64').toString('base64url')
  }
  return found
}

it('no secret is in anything that mux prints, answers, logs, or shows in ps', async () => {
  const planted = {
    ...secrets,
    token: token.token,
    'secret part of the token': token.token.split('_').at(-1)!,
    ...(await keys()),
  }
  expect(Object.keys(planted).length).toBeGreaterThanOrEqual(12)
  expect(said['ps']).toContain('--password-stdin')
  expect(Object.keys(said).length).toBeGreaterThan(40)
  const places: Record<string, string | Buffer> = {
    ...said,
    ...(await filesOf(project.directory)),
    'the registry’s values': JSON.stringify(Object.fromEntries(readRecords(project))),
    'the command line of the supervisor': await readFile(`/proc/${running.child.pid}/cmdline`, 'utf8'),
  }
  const leaks = Object.entries(planted).flatMap(([what, secret]) =>
    Object.entries(places)
      .filter(([, text]) => text.includes(secret))
      .map(([place]) => `${what} in ${place}`),
  )
  expect(leaks).toEqual([])
})

it('what the registry has instead of a password and a token proves them and is not them', () => {
  const records = Object.fromEntries(readRecords(project))
  expect(JSON.parse(records['user:brian']!).password).toMatch(/^\$scrypt\$ln=\d+,r=\d+,p=\d+\$/)
  expect(JSON.parse(records[`token:${token.id}`]!).sha256).toBe(
    createHash('sha256').update(token.token).digest('hex'),
  )
})

it('a secret setting is in the environment of its own instance, and of no other', async () => {
  const process = (
    await ask(running.url, '/', { headers: { authorization: basic('brian', newPassword) } })
  ).json()
  expect((await environmentOf(process.pid))['API_KEY']).toBe(setting)
  expect(Object.values(await environmentOf(running.child.pid!))).not.toContain(setting)
  await project.addUser('malcolm', 'django1')
  const other = (await ask(running.url, '/', { user: 'malcolm' })).json()
  expect(await environmentOf(other.pid)).not.toHaveProperty('API_KEY')
})

it('an instance inherits nothing of the supervisor’s environment but what every program needs', async () => {
  const { pid } = (
    await ask(running.url, '/', { headers: { authorization: basic('brian', newPassword) } })
  ).json()
  const names = Object.keys(await environmentOf(pid)).filter(
    (name) => !/^(PATH|HOME|LANG|LC_\w+|TZ|TMPDIR)$/.test(name),
  )
  expect(names.sort()).toEqual([
    'API_KEY',
    'MUX_DATA',
    'MUX_GENERATION',
    'MUX_INSTANCE',
    'MUX_SOCKET',
    'SOCKET',
  ])
})

it('the state directory, and in it keys, secrets, registry and logs, are closed to everybody else on the machine', async () => {
  const below = await filesBelow(project.path('.mux'))
  expect([...below.keys()]).toEqual(
    expect.arrayContaining(['keys/session.key', 'secrets/django2.API_KEY', 'logs/django2.log']),
  )
  below.set('', await stat(project.path('.mux')))
  const modes = [...below].map(([name, stats]) => ({ name, ...modeOf(stats) }))
  const guarded = modes.filter(
    ({ name, directory }) => directory || /^(keys|secrets|logs|registry)/.test(name),
  )
  // What an instance keeps among its data is its own affair: nobody gets past the directory around it.
  const open = guarded.filter(({ name, mode }) => (mode & 0o077) !== 0 && !/^data\/.+\//.test(name))
  expect(open).toEqual([])
})

function modeOf(stats: Stats) {
  return { mode: stats.mode & 0o777, directory: stats.isDirectory() }
}

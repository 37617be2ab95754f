import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { UserRecord } from '@mux/contract'
import type { RegistryChange } from '@mux/edge/registry'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import {
  ACCOUNT,
  type KvRest,
  NAMESPACE,
  startKvRest,
  TOKEN,
} from '../../../../edge/src/registry/fixtures/kv-rest.ts'
import { INSTANCE, USER } from '../../fixtures/records.ts'
import { type Ended, PROGRAM, runMux, temporaryProject } from '../../fixtures/run-mux.ts'
import { projectAt } from '../../project.ts'
import { withRegistry } from '../../registry.ts'

const OF_A_WORKER = 'registry: kv\n'

let rest: KvRest
beforeAll(async () => {
  rest = await startKvRest()
})
afterAll(() => rest.close())

let cwd: string
beforeEach(async () => {
  rest.values.clear()
  rest.fault = () => undefined
  cwd = temporaryProject('registry: sqlite\n')
  const present = [
    { kind: 'instance', name: 'django1', record: INSTANCE } as const,
    user('brian'),
    user('graham'),
  ]
  await change(...present)
  for (const { kind, name, record } of present)
    rest.values.set(`${kind}:${name}`, { value: JSON.stringify(record) })
  writeFileSync(join(cwd, 'mux.yaml'), OF_A_WORKER)
  rest.asked.length = 0
})

const ENVIRONMENT = {
  CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
  MUX_KV_NAMESPACE: NAMESPACE,
  CLOUDFLARE_API_TOKEN: TOKEN,
  NO_COLOR: '1',
}
const mux = (args: string, { env = {}, input = '' } = {}): Promise<Ended> =>
  runMux(args.split(' '), {
    cwd,
    input,
    env: { ...ENVIRONMENT, CLOUDFLARE_API_BASE_URL: rest.url, ...env },
  })
const change = (...changes: RegistryChange[]) =>
  withRegistry(projectAt(cwd), (registry) => registry.change(() => ({ changes, result: undefined })))
const user = (name: string, record: Partial<UserRecord> = {}): RegistryChange => ({
  kind: 'user',
  name,
  record: { ...USER, ...record },
})
const here = (name: string) => withRegistry(projectAt(cwd), (registry) => registry.read('user', name))
const inKv = (key: string) => JSON.parse(rest.values.get(key)?.value ?? 'null') as unknown
const written = () => rest.asked.filter(({ route }) => route === 'put' || route === 'delete')
const differences = async () => (await mux('registry diff --json')).json()

it('a command that changes records writes them to KV as well, and nothing else', async () => {
  expect(await mux('user disable brian')).toMatchObject({ code: 0, stdout: 'Disabled brian.\n', stderr: '' })
  expect(inKv('user:brian')).toMatchObject({ disabled: true })
  expect(inKv('user:brian')).toEqual(await here('brian'))
  expect(rest.asked).toEqual([{ route: 'put', keys: ['user:brian'] }])
  expect(await mux('user remove graham --yes')).toMatchObject({ code: 0 })
  expect(rest.asked.at(-1)).toEqual({ route: 'delete', keys: ['user:graham'] })
  expect(await differences()).toMatchObject({ differences: [] })
})

it('one that only shows something, or fails before it changes anything, asks nobody', async () => {
  expect(await mux('user list')).toMatchObject({ code: 0 })
  expect(await mux('user show brian')).toMatchObject({ code: 0 })
  expect(await mux('user move brian --instance nowhere')).toMatchObject({ code: 3 })
  expect(rest.asked).toEqual([])
})

it('one about a user, given again, has KV know of it what the first one did not get to', async () => {
  rest.fault = () => ({ status: 403 })
  expect(await mux('user disable brian')).toMatchObject({ code: 5 })
  expect(await mux('user disable brian')).toMatchObject({ code: 5 })
  expect(await mux('user remove graham --yes')).toMatchObject({ code: 5 })
  expect([inKv('user:brian'), inKv('user:graham')]).toMatchObject([{ disabled: false }, { disabled: false }])
  rest.fault = () => undefined
  expect(await mux('user disable brian')).toMatchObject({
    code: 0,
    stdout: 'brian is disabled already. Nothing was changed.\n',
  })
  expect(await mux('user remove graham --yes')).toMatchObject({ code: 3 })
  expect([inKv('user:brian'), inKv('user:graham')]).toEqual([await here('brian'), null])
})

it('a password takes the tokens with it in an order in which it may break off anywhere', async () => {
  expect(await mux('token create brian')).toMatchObject({ code: 0 })
  rest.asked.length = 0
  expect(await mux('user password brian --password-stdin', { input: 'another one\n' })).toMatchObject({
    code: 0,
  })
  expect(written().map(({ route }) => route)).toEqual(['delete', 'put'])
  expect(await differences()).toMatchObject({ differences: [] })
})

it('what Cloudflare does not take is done here, shown, and finished by mux registry push', async () => {
  rest.fault = () => ({ status: 403 })
  const failed = await mux('user password brian --generate --json')
  const password = expect.stringMatching(/^\S{10,}$/) as string
  expect(failed).toMatchObject({ code: 5 })
  expect(failed.json()).toMatchObject({
    user: 'brian',
    password,
    error: { code: 'registry_behind', details: ['user brian'], hint: 'To take it there: mux registry push' },
  })
  const told = await mux('user disable graham')
  expect(told).toMatchObject({ code: 5, stdout: 'Disabled graham.\n' })
  expect(told.stderr).toContain('It is done here, and Workers KV may not have it yet')
  expect(told.stdout + told.stderr + failed.stdout + failed.stderr).not.toContain(TOKEN)
  expect(await here('graham')).toMatchObject({ disabled: true })
  expect(inKv('user:graham')).toMatchObject({ disabled: false })
  rest.fault = () => undefined
  expect(await mux('registry push')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('wrote 2 users'),
  })
  expect(await differences()).toMatchObject({ differences: [] })
})

it.each([
  ['there is no token', { CLOUDFLARE_API_TOKEN: '', PATH: '/nonexistent' }],
  ['it is not known which namespace it is', { MUX_KV_NAMESPACE: '' }],
])('somebody is shut out here also where %s', async (_what, env) => {
  expect(await mux('user disable brian', { env })).toMatchObject({
    code: 5,
    stdout: 'Disabled brian.\n',
    stderr: expect.stringContaining('[registry_behind]'),
  })
  expect(await here('brian')).toMatchObject({ disabled: true })
})

it('what passes by itself is waited for, and told', async () => {
  let failures = 1
  rest.fault = ({ route }) =>
    route === 'put' && failures-- > 0 ? { status: 429, headers: { 'retry-after': '1' } } : undefined
  const ended = await mux('user sign-out brian')
  expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('Next try in') })
  expect(inKv('user:brian')).toEqual(await here('brian'))
})

it('a record that no Worker could use is refused before anything is written, and one who is shut out is not', async () => {
  const unfit = '$scrypt$ln=20,r=8,p=5$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'
  writeFileSync(join(cwd, 'mux.yaml'), 'registry: sqlite\n')
  await change(user('eric', { password: unfit }))
  writeFileSync(join(cwd, 'mux.yaml'), OF_A_WORKER)
  const before = await here('eric')
  expect(await mux('user sign-out eric')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[record_unfit]'),
  })
  expect(await here('eric')).toEqual(before)
  expect(rest.asked).toEqual([])
  expect(await mux('user disable eric')).toMatchObject({ code: 0 })
  expect(inKv('user:eric')).toMatchObject({ disabled: true })
})

it('somebody is shut out everywhere while mux.yaml is broken', async () => {
  writeFileSync(join(cwd, 'mux.yaml'), `${OF_A_WORKER}app: { command: [\n`)
  expect(await mux('user disable brian')).toMatchObject({ code: 0 })
  expect(inKv('user:brian')).toMatchObject({ disabled: true })
})

it('of commands at the same time the last to write has written what both have done', async () => {
  const commands = ['sign-out', 'disable', 'sign-out', 'enable'].map((verb) => mux(`user ${verb} brian`))
  expect((await Promise.all(commands)).map(({ code }) => code)).toEqual([0, 0, 0, 0])
  expect(inKv('user:brian')).toEqual(await here('brian'))
})

it('Ctrl-C while Cloudflare is written to says that it is done here and not there', async () => {
  const reached = Promise.withResolvers<void>()
  rest.fault = ({ route }) => {
    if (route === 'put') reached.resolve()
    return route === 'put' ? 'hang' : undefined
  }
  const child = spawn(process.execPath, [PROGRAM, 'user', 'disable', 'brian'], {
    cwd,
    env: { ...process.env, ...ENVIRONMENT, CLOUDFLARE_API_BASE_URL: rest.url },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said = text(child.stderr)
  const ended = once(child, 'exit')
  await reached.promise
  child.kill('SIGINT')
  expect(await ended).toEqual([130, null])
  expect(await said).toContain('mux registry push')
  expect(await here('brian')).toMatchObject({ disabled: true })
})

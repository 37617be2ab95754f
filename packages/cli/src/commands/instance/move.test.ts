import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { epochOf, type UserRecord } from '@mux/contract'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import {
  ACCOUNT,
  type KvRest,
  NAMESPACE,
  startKvRest,
  TOKEN,
} from '../../../../edge/src/registry/fixtures/kv-rest.ts'
import { createFleet, type Fleet } from '../../fixtures/fleet.ts'
import { isRunning } from '../../fixtures/mux.ts'
import { runMux } from '../../fixtures/run-mux.ts'
import { visit } from '../../fixtures/visit.ts'

const OFTEN = { interval: 20 }

let rest: KvRest
let fleet: Fleet
beforeAll(async () => {
  rest = await startKvRest()
  Object.assign(process.env, {
    CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
    MUX_KV_NAMESPACE: NAMESPACE,
    CLOUDFLARE_API_TOKEN: TOKEN,
    CLOUDFLARE_API_BASE_URL: rest.url,
    NO_COLOR: '1',
  })
  fleet = await createFleet(['web1', 'web2'], 'registry: kv\n')
  expect(await mux('instance add one --host web1 --set COLOR=red --secret KEY', 's3cr3t\n')).toMatchObject({
    code: 0,
  })
  expect(await mux('user add brian --instance one --password-stdin', 'a long password')).toMatchObject({
    code: 0,
  })
})
afterAll(async () => {
  await fleet.remove()
  await rest.close()
})

const mux = (args: string, input = '') => runMux(args.split(' '), { cwd: fleet.operator.directory, input })
const project = (host: string) => fleet.hosts.get(host)!.project
const brian = () => JSON.parse(rest.values.get('user:brian')!.value) as UserRecord
const asBrian = () => visit(fleet.operator.directory, 'brian', brian)
const other = (host: string) => (host === 'web1' ? 'web2' : 'web1')
const runsOn = async (host: string) =>
  (await project(host).status()).instances.find(({ name }) => name === 'one')?.generation ?? null

/** Where it serves, and the other host. */
let here: string
let there: string
beforeEach(async () => {
  rest.fault = () => undefined
  here = brian().target!.host
  there = other(here)
  expect(await asBrian()).toMatchObject({ status: 200, host: here })
})

/** It serves where it was, and nothing of it is at the other end. */
async function staysHere(): Promise<void> {
  expect(await asBrian()).toMatchObject({ status: 200, host: here, answer: { instance: 'one' } })
  expect(await project(there).read('mux.yaml')).not.toContain('one')
  expect(existsSync(join(project(there).directory, '.mux/data/one'))).toBe(false)
}

it('moves with settings, secrets and data while it is used, and no request is lost', async () => {
  await mkdir(join(project('web1').directory, '.mux/data/one'), { recursive: true })
  await project('web1').write('.mux/data/one/notes.txt', 'of brian')
  const before = brian()
  const visits = new Map<string, number>()
  const enough = new AbortController()
  const load = Array.from({ length: 4 }, async () => {
    while (!enough.signal.aborted) {
      const { status, host, answer } = await asBrian()
      const outcome = `${status} ${host} ${answer.instance ?? answer.code}`
      visits.set(outcome, (visits.get(outcome) ?? 0) + 1)
    }
  })
  const moved = await mux('instance move one --host web2')
  await expect.poll(() => visits.get('200 web2 one') ?? 0, OFTEN).toBeGreaterThan(20)
  enough.abort()
  await Promise.all(load)
  expect(moved).toMatchObject({ code: 0 })
  expect(moved.stdout).toMatch(
    /^Moved one from web1 to web2\. Its requests were held for \d+ ms\. Led there: brian\.\n$/,
  )
  expect([...visits.keys()].toSorted()).toEqual(['200 web1 one', '200 web2 one'])

  expect(await asBrian()).toMatchObject({ status: 200, host: 'web2', answer: { color: 'red' } })
  expect(await project('web2').read('.mux/data/one/notes.txt')).toBe('of brian')
  expect(await project('web2').read('.mux/secrets/one.KEY')).toBe('s3cr3t\n')
  expect(brian().version).toBeGreaterThan(before.version)
  expect(epochOf(brian())).toBe(epochOf(before))
  expect((await mux('registry diff --json')).json()).toMatchObject({ differences: [] })
  const values = [...rest.values.values()].map(({ value }) => value).join('\n')
  expect(values + moved.stdout + moved.stderr).not.toContain('s3cr3t')

  // What is left is kept, and is started by nobody.
  expect(await project('web1').read('.mux/data/one/notes.txt')).toBe('of brian')
  expect(await runsOn('web1')).toBe(null)
  expect((await project('web1').mux('instance', 'list')).stdout).toMatch(/^one .* disabled$/m)
  expect((await mux('instance move one --host web2 --json')).json()).toMatchObject({ changed: false })
  expect(await mux('instance move one --host web1')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('mux instance move one --purge'),
  })
  expect(await mux('instance move one --purge')).toMatchObject({ code: 2 })
  expect(await mux('instance move one --purge --yes')).toMatchObject({ code: 0 })
  expect(await project('web1').read('mux.yaml')).not.toContain('one')
  expect(existsSync(join(project('web1').directory, '.mux/data/one'))).toBe(false)
  expect(existsSync(join(project('web1').directory, '.mux/secrets/one.KEY'))).toBe(false)
})

it('serves where it was when it does not start at the other end', async () => {
  const yaml = await project(there).read('mux.yaml')
  await project(there).write('mux.yaml', yaml.replace('settings: {', 'settings: { BROKEN: no disk,'))
  const failed = await mux(`instance move one --host ${there}`)
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot start: no disk') })
  expect(failed.stderr).toContain(`one stays on ${here}.`)
  await staysHere()
  await project(there).write('mux.yaml', yaml)
})

it('serves where it was when its data do not enter, or do not leave', async () => {
  const before = {
    [here]: await project(here).read('mux.yaml'),
    [there]: await project(there).read('mux.yaml'),
  }
  const hook = (host: string, text: string) =>
    project(host).write('mux.yaml', before[host]!.replace('app:\n', `app:\n  hooks: { ${text} }\n`))
  await hook(there, 'import: [sh, -c, "echo no room >&2; exit 3"]')
  const entered = await mux(`instance move one --host ${there} --json`)
  expect(entered).toMatchObject({ code: 1 })
  expect(entered.json()).toMatchObject({ error: { code: 'data_unusable' } })
  await staysHere()
  await project(there).write('mux.yaml', before[there]!)
  await hook(here, 'export: [sh, -c, "echo half; exit 4"]')
  const left = await mux(`instance move one --host ${there}`)
  expect(left).toMatchObject({ code: 1, stderr: expect.stringContaining('hooks.export ended with 4') })
  await staysHere()
  await project(here).write('mux.yaml', before[here]!)
})

it('serves where it was when Cloudflare does not take where it is', async () => {
  rest.fault = ({ route, keys }) =>
    route === 'put' && keys.includes('user:brian') ? { status: 403 } : undefined
  const failed = await mux(`instance move one --host ${there}`)
  expect(failed).toMatchObject({ code: 5, stderr: expect.stringContaining('[registry_behind]') })
  await staysHere()
  rest.fault = () => undefined
  expect(await mux('registry push')).toMatchObject({ code: 0 })
  await staysHere()
})

it('Ctrl-C while data are copied has it serve where it was, at once, and ends what copies them', async () => {
  const yaml = await project(here).read('mux.yaml')
  const endless = `hooks: { export: [sh, -c, 'echo $$ > "$MUX_DATA/../hook.pid"; exec tail -f /dev/null'] }`
  // By a function, since "$$" is one dollar in a text that takes the place of another.
  await project(here).write(
    'mux.yaml',
    yaml.replace('app:\n', () => `app:\n  ${endless}\n`),
  )
  const move = fleet.operator.start({}, 'instance', 'move', 'one', '--host', there)
  const file = join(project(here).directory, '.mux/data/hook.pid')
  // Empty at first.
  const said = async () => (existsSync(file) ? project(here).read('.mux/data/hook.pid') : '')
  await expect.poll(said, OFTEN).toMatch(/^\d+\n$/)
  const pid = Number(await said())
  expect(await isRunning(pid)).toBe(true)
  move.child.kill('SIGINT')
  expect(await move.ended).toMatchObject({
    code: 130,
    stderr: expect.stringContaining(`one stays on ${here}.`),
  })
  await expect.poll(() => isRunning(pid), OFTEN).toBe(false)
  await rm(file)
  await staysHere()
  await project(here).write('mux.yaml', yaml)
})

it.each(['Defining', 'Starting'])('killed at %s, the same command brings it to its end', async (step) => {
  const move = fleet.operator.start({}, 'instance', 'move', 'one', '--host', there)
  await expect.poll(() => move.said.stderr, OFTEN).toContain(step)
  move.child.kill('SIGKILL')
  await move.ended
  expect(await mux(`instance move one --host ${there}`)).toMatchObject({ code: 0 })
  expect(await asBrian()).toMatchObject({ status: 200, host: there })
  expect(await runsOn(here)).toBe(null)
  expect(await mux('instance move one --purge --yes')).toMatchObject({ code: 0 })
})

it('killed while Cloudflare is told where it is, the same command brings it to its end', async () => {
  const reached = Promise.withResolvers<void>()
  rest.fault = ({ route, keys }) => {
    if (route !== 'put' || !keys.includes('user:brian')) return undefined
    reached.resolve()
    return 'hang'
  }
  const move = fleet.operator.start({}, 'instance', 'move', 'one', '--host', there)
  await reached.promise
  move.child.kill('SIGKILL')
  await move.ended
  expect(brian().target!.host).toBe(here)
  rest.fault = () => undefined
  expect(await mux(`instance move one --host ${there}`)).toMatchObject({ code: 0 })
  expect(await asBrian()).toMatchObject({ status: 200, host: there })
  expect((await mux('registry diff --json')).json()).toMatchObject({ differences: [] })
  expect(await mux('instance move one --purge --yes')).toMatchObject({ code: 0 })
})

it('where the host that it leaves is lost at the end, it serves at the other one, and the same command finishes', async () => {
  const { up } = fleet.hosts.get(here)!
  rest.fault = ({ route, keys }) => {
    if (route === 'put' && keys.includes('user:brian')) up.child.kill('SIGKILL')
    return undefined
  }
  const failed = await mux(`instance move one --host ${there}`)
  expect(failed).toMatchObject({ code: 5, stderr: expect.stringContaining('[host_untold]') })
  expect(await asBrian()).toMatchObject({ status: 200, host: there })
  await up.ended
  await fleet.up(here)
  expect(await mux(`instance move one --host ${there}`)).toMatchObject({ code: 0 })
  expect((await project(here).mux('instance', 'list')).stdout).toMatch(/^one .* disabled$/m)
  expect(await asBrian()).toMatchObject({ status: 200, host: there })
  expect(await mux('instance move one --purge --yes')).toMatchObject({ code: 0 })
})

it('to a host that is not there, or takes none, nothing begins', async () => {
  expect((await mux('instance move one --host web9')).stderr).toContain('There are: web1, web2.')
  expect(await mux('instance move nobody --host web2')).toMatchObject({ code: 3 })
  await mux(`host drain ${there}`)
  expect((await mux(`instance move one --host ${there}`)).stderr).toContain('[host_draining]')
  await mux(`host open ${there}`)
  const { up } = fleet.hosts.get(there)!
  up.child.kill('SIGTERM')
  await up.ended
  expect(await mux(`instance move one --host ${there}`)).toMatchObject({ code: 5 })
  expect(existsSync(join(fleet.operator.directory, '.mux/moves/one.json'))).toBe(false)
  await staysHere()
})

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HostName } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import { INSTANCE, USER } from '../../fixtures/records.ts'
import { runMux, temporaryProject } from '../../fixtures/run-mux.ts'
import { projectAt } from '../../project.ts'
import { withRegistry } from '../../registry.ts'

const APP = 'app: { command: node server.js } # ours\ninstances: { django1: {} }\n'
const URL1 = 'https://web1.example.com'

/** A project, and the command line in it. */
function setUp(yaml = 'registry: sqlite\n') {
  const cwd = temporaryProject(yaml)
  const host = (...args: string[]) => runMux(['host', ...args], { cwd })
  const keys = () => readdirSync(join(cwd, '.mux/keys')).toSorted()
  return { cwd, host, keys, yaml: () => readFileSync(join(cwd, 'mux.yaml'), 'utf8') }
}

/** Gives a project an instance and a user on a host. */
async function populate(cwd: string, host: string): Promise<void> {
  const target = { host: host as HostName, origin: URL1 }
  await withRegistry(projectAt(cwd), (registry) =>
    registry.change(() => ({
      changes: [
        { kind: 'instance', name: 'django1', record: { ...INSTANCE, ...target } },
        { kind: 'user', name: 'brian', record: { ...USER, target } },
      ],
      result: undefined,
    })),
  )
}

describe('mux host add', () => {
  it('makes a host known with a key of its own, shows that once, and again changes nothing', async () => {
    const { cwd, host, keys } = setUp()
    const web1 = await host('add', 'web1', '--url', 'https://WEB1.example.com/')
    expect(web1).toMatchObject({ code: 0, stdout: expect.stringMatching(/^muxhost_[\w-]{86}\n$/) })
    expect(web1.stderr).toContain(`mux host join web1 --origin ${URL1}`)
    expect(keys()).toEqual(['edge.key', 'operator.key'])
    for (const key of keys()) expect(statSync(join(cwd, '.mux/keys', key)).mode & 0o777).toBe(0o600)

    const again = await host('add', 'web1', '--url', URL1, '--json')
    expect(again.json()).toEqual({
      host: 'web1',
      origin: URL1,
      control: null,
      changed: false,
      joinKey: null,
      join: null,
    })
    const web2 = await host('add', 'web2', '--url', 'vpc:WEB2', '--control-url', 'https://10.0.0.5', '--json')
    expect(web2.json()).toMatchObject({ origin: 'vpc:WEB2', control: 'https://10.0.0.5', changed: true })
    expect((web2.json() as { joinKey: string }).joinKey).not.toBe(web1.stdout.trim())
    expect(await host('key', 'web1')).toMatchObject({ code: 2, stdout: '' })
    expect(await host('key', 'web1', '--yes')).toMatchObject({ code: 0, stdout: web1.stdout })
  })

  it('refuses what could not be meant, and changes nothing', async () => {
    const { cwd, host } = setUp()
    await host('add', 'web1', '--url', URL1)
    const cases: [args: string[], code: number, error: string][] = [
      [['web1', '--url', 'https://web9.example.com'], 4, 'host_exists'],
      [['web2', '--url', URL1], 4, 'host_exists'],
      [['web2', '--url', 'vpc:WEB2'], 2, 'usage'],
      [['web2', '--url', `${URL1}/mux`], 2, 'usage'],
      [['web2'], 2, 'usage'],
      [['local', '--url', 'https://a.example.com'], 2, 'name_invalid'],
    ]
    for (const [args, code, error] of cases) {
      const refused = await host('add', ...args, '--json')
      expect([args, refused.code, refused.json()]).toMatchObject([args, code, { error: { code: error } }])
    }
    const hosts = await withRegistry(projectAt(cwd), (registry) => registry.list('host'))
    expect(hosts.map(({ name }) => name)).toEqual(['web1'])
  })

  it('makes no other key in the place of one that is gone, which the other hosts would not know', async () => {
    const { cwd, host, keys } = setUp()
    await host('add', 'web1', '--url', URL1)
    rmSync(join(cwd, '.mux/keys/operator.key'))
    const refused = await host('add', 'web2', '--url', 'https://web2.example.com')
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('[key_unusable]') })
    expect(keys()).toEqual(['edge.key'])
    expect((await host('key', 'web1', '--yes')).code).toBe(0)
    expect((await host('add', 'web2', '--url', 'https://web2.example.com')).code).toBe(0)
  })
})

it('mux host set sends the instances of a host, and their users, to where it is by now; nobody has to sign in again', async () => {
  const { cwd, host } = setUp()
  await host('add', 'web1', '--url', URL1)
  await populate(cwd, 'web1')
  const url = 'https://web1.example.net'
  const moved = await host('set', 'web1', '--url', url, '--control-url', 'https://10.0.0.1', '--json')
  expect(moved.json()).toEqual({
    host: 'web1',
    origin: url,
    control: 'https://10.0.0.1',
    changed: true,
    here: false,
    users: 1,
    instances: 1,
  })
  const target = { host: 'web1', origin: url }
  await withRegistry(projectAt(cwd), async (registry) => {
    expect(await registry.read('user', 'brian')).toEqual({ ...USER, target })
    expect(await registry.read('instance', 'django1')).toEqual({ ...INSTANCE, ...target })
  })
  expect((await host('set', 'web1', '--url', url)).stdout).toContain('Nothing was changed.')
  expect((await host('set', 'web1', '--control-url', 'off', '--json')).json()).toMatchObject({
    control: null,
  })
  expect((await host('set', 'web9', '--url', url)).code).toBe(3)

  const both = setUp(`${APP}host: { name: web1, origin: "${URL1}" } # here\n`)
  await both.host('add', 'web1', '--url', URL1)
  expect((await both.host('set', 'web1', '--url', url, '--json')).json()).toMatchObject({ here: true })
  expect(both.yaml()).toBe(`${APP}host: { name: web1, origin: ${url} } # here\n`)
})

it('a host is drained and opened again; one to which something leads is not removed, and by whom is said', async () => {
  const { cwd, host } = setUp()
  await host('add', 'web1', '--url', URL1)
  expect((await host('drain', 'web1', '--json')).json()).toEqual({
    host: 'web1',
    state: 'draining',
    changed: true,
  })
  expect((await host('drain', 'web1', '--json')).json()).toMatchObject({ changed: false })
  expect((await host('open', 'web1', '--json')).json()).toEqual({
    host: 'web1',
    state: 'open',
    changed: true,
  })
  await populate(cwd, 'web1')
  const refused = await host('remove', 'web1', '--yes')
  expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('instance django1, user brian') })
  // Lost or not, nobody is left with an instance that nobody knows of.
  const inUse = await host('remove', 'web1', '--lost', '--yes')
  expect(inUse).toMatchObject({ code: 4, stderr: expect.stringContaining('[instance_in_use]') })
  await populate(cwd, 'web2')
  expect((await host('remove', 'web1')).code).toBe(2)
  expect((await host('remove', 'web1', '--yes')).code).toBe(0)
  expect((await host('remove', 'web1', '--yes')).code).toBe(3)
})

it('a host that is lost is forgotten with its instances, once nobody is led to them', async () => {
  const { cwd, host } = setUp()
  await host('add', 'web1', '--url', 'http://127.0.0.1:9')
  await populate(cwd, 'web1')
  expect((await runMux(['instance', 'remove', 'django1', '--yes'], { cwd })).code).toBe(4)
  expect((await runMux(['user', 'remove', 'brian', '--yes'], { cwd })).code).toBe(0)
  expect((await runMux(['instance', 'remove', 'django1', '--yes'], { cwd })).code).toBe(5)
  const lost = await host('remove', 'web1', '--lost', '--yes', '--json')
  expect(lost.json()).toEqual({ host: 'web1', instances: ['django1'] })
  expect((await runMux(['instance', 'list', '--json'], { cwd })).json()).toMatchObject({ instances: [] })
})

describe('mux host join', () => {
  /** A key that an operator has for this host. */
  async function keyOf(name: string): Promise<string> {
    return (await setUp().host('add', name, '--url', URL1)).stdout
  }

  it('makes a project a host, and changes nothing else in mux.yaml; with another key the first stays good', async () => {
    const { cwd, keys, yaml } = setUp(APP)
    const key = await keyOf('web1')
    const join1 = (input: string, ...args: string[]) =>
      runMux(['host', 'join', 'web1', '--key-stdin', ...args], { cwd, input })
    expect((await join1(key)).code).toBe(2)
    const joined = await join1(key, '--origin', URL1, '--json')
    expect(joined.json()).toEqual({
      host: 'web1',
      origin: URL1,
      listen: '127.0.0.1:9090',
      keys: 'new',
      changed: true,
      supervisor: 'not_running',
      restartNeeded: false,
    })
    expect(yaml()).toBe(`${APP}host:\n  name: web1\n  origin: ${URL1}\n  listen: 127.0.0.1:9090\n`)
    expect(keys()).toEqual(['control-web1.key', 'host-web1.key'])

    writeFileSync(join(cwd, 'mux.yaml'), yaml().replace('9090', '9191 # here'))
    expect((await join1(key)).stdout).toContain('Nothing was changed.')
    const another = await join1(await keyOf('web1'), '--json')
    expect(another.json()).toMatchObject({ keys: 'added', listen: '127.0.0.1:9191', changed: true })
    expect(keys()).toHaveLength(4)
    expect(yaml()).toContain('listen: 127.0.0.1:9191 # here\n')
  })

  it('refuses another key than one of a host, and another host than it is; shows nothing of it, and changes nothing', async () => {
    const yaml = `${APP}host: { name: web1, origin: "${URL1}" }\n`
    const { cwd, yaml: now } = setUp(yaml)
    const key = await keyOf('web1')
    const cases: [name: string, input: string, code: number, error: string][] = [
      ['web1', key.slice(0, 50), 1, 'key_unusable'],
      ['web1', `${Buffer.alloc(64).toString('base64')}\n`, 1, 'key_unusable'],
      ['web2', key, 4, 'host_exists'],
    ]
    for (const [name, input, code, error] of cases) {
      const refused = await runMux(['host', 'join', name, '--key-stdin'], { cwd, input })
      expect(refused).toMatchObject({ code, stderr: expect.stringContaining(`[${error}]`) })
      expect(refused.stderr).not.toContain(input.trim())
    }
    expect(now()).toBe(yaml)
  })
})

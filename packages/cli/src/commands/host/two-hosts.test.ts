import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { HostRecord, InstanceRecord } from '@mux/contract'
import type { RegistryChange } from '@mux/edge/registry'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProject, type TestProject, TWO_INSTANCES } from '../../fixtures/mux.ts'
import { runMux } from '../../fixtures/run-mux.ts'
import { projectAt } from '../../project.ts'
import { withRegistry } from '../../registry.ts'

/** An operator's project and two hosts, each joined by the commands that the operator is told, and serving. */
let operator: TestProject
const hosts = new Map<'web1' | 'web2', TestProject & { url: string }>()

/** Starts mux on a host, and tells the operator where, which nobody knows before. */
async function serve(name: 'web1' | 'web2', host: TestProject): Promise<void> {
  const started = await host.mux('up', '--detach', '--json')
  expect(started).toMatchObject({ code: 0 })
  const { url } = started.json() as { url: string }
  hosts.set(name, { ...host, url })
  expect(await operator.mux('host', 'set', name, '--url', url)).toMatchObject({ code: 0 })
}

beforeAll(async () => {
  operator = await createProject('registry: sqlite\n')
  for (const [at, name] of (['web1', 'web2'] as const).entries()) {
    const host = await createProject(TWO_INSTANCES)
    hosts.set(name, { ...host, url: '' })
    const url = `http://127.0.0.1:${at + 1}`
    const added = await operator.mux('host', 'add', name, '--url', url, '--json')
    const { joinKey, join: command } = added.json() as { joinKey: string; join: string }
    const args = [...command.split(' ').slice(1), '--listen', '127.0.0.1:0', '--key-stdin']
    const joined = await runMux(args, { cwd: host.directory, input: joinKey })
    expect(joined).toMatchObject({ code: 0, stdout: expect.stringContaining(`the host ${name}, at ${url}`) })
    await serve(name, host)
  }
})
afterAll(async () => {
  for (const project of [operator, ...hosts.values()]) await project.remove()
})

async function write(changes: RegistryChange[]): Promise<void> {
  await withRegistry(projectAt(operator.directory), (registry) =>
    registry.change(() => ({ changes, result: undefined })),
  )
}
const writeHosts = (names: readonly string[], record: HostRecord | null) =>
  write(names.map((name) => ({ kind: 'host', name, record })))

interface Row {
  name: string
  reachable: boolean
  problem: string | null
  clock: number | null
}
const list = async () => {
  const listed = await operator.mux('host', 'list', '--json')
  expect(listed.code).toBe(0)
  return (listed.json() as { hosts: Row[] }).hosts
}

const REFUSED = 'it does not accept the key of this operator'

/** The list as somebody sees it who has got hold of a key of the operator. */
async function stolenList(key: string): Promise<Row[]> {
  const thief = await createProject('registry: sqlite\n')
  try {
    await thief.mux('host', 'add', 'web1', '--url', hosts.get('web1')!.url)
    await writeFile(join(thief.directory, '.mux/keys/operator.key'), key, { mode: 0o600 })
    return ((await thief.mux('host', 'list', '--json')).json() as { hosts: Row[] }).hosts
  } finally {
    await thief.remove()
  }
}

describe('two hosts', () => {
  it('are asked how they are in one command', async () => {
    expect(await list()).toMatchObject([
      { name: 'web1', reachable: true, problem: null, clock: null, pool: { running: 0, max: 4 } },
      { name: 'web2', reachable: true, problem: null, clock: null, instances: [], users: [] },
    ])
    const { stdout } = await operator.mux('host', 'list')
    expect(stdout).toMatch(/^web1 +http:\S+ +open +\d+\.\d+\.\d+ +0 +0 +0 of 4 +-$/m)
    const shown = await operator.mux('host', 'show', 'web2', '--json')
    expect(shown.json()).toMatchObject({
      name: 'web2',
      running: [{ name: 'a' }, { name: 'b' }],
      unknown: ['a', 'b'],
    })
    expect((await operator.mux('host', 'show', 'web9')).code).toBe(3)
    expect(await operator.mux('up')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('mux host list'),
    })
  })

  it('take another key of their operator and of their edge while they serve, and then the old ones no more', async () => {
    const before = await readFile(join(operator.directory, '.mux/keys/operator.key'), 'utf8')
    const old = async () => (await stolenList(before))[0]
    for (const signer of ['operator', 'edge']) {
      const rotated = await operator.mux('key', 'rotate', `--${signer}`, '--json')
      expect(rotated.json()).toEqual({ signer, hosts: ['web1', 'web2'] })
      expect(await list()).toMatchObject([{ reachable: true }, { reachable: true }])
      if (signer === 'operator') expect(await old()).toMatchObject({ reachable: true })
      const retired = await operator.mux('key', 'retire', `--${signer}`, '--yes', '--json')
      expect(retired.json()).toEqual({ signer, hosts: ['web1', 'web2'] })
      expect(await old()).toMatchObject({ reachable: false, problem: REFUSED })
      expect(await list()).toMatchObject([{ reachable: true }, { reachable: true }])
    }
    expect(await readdir(join(operator.directory, '.mux/keys'))).toEqual(['edge.key', 'operator.key'])
    const keys = await readdir(join(hosts.get('web1')!.directory, '.mux/keys'))
    expect(keys.toSorted()).toEqual(['control-web1.key', 'host-web1.key'])
  })

  it('that are not there are told of with the reason, and keep a key from being changed until they are back', async () => {
    const keyFile = join(operator.directory, '.mux/keys/operator.key')
    const before = await readFile(keyFile, 'utf8')
    const web2 = hosts.get('web2')!
    expect((await web2.mux('down')).code).toBe(0)
    expect(await list()).toMatchObject([
      { reachable: true },
      { reachable: false, problem: 'nothing listens there' },
    ])
    const refused = await operator.mux('key', 'rotate', '--operator', '--json')
    expect(refused).toMatchObject({ code: 5 })
    expect(refused.json()).toMatchObject({
      hosts: ['web1'],
      error: { code: 'host_unreachable', details: ['web2: nothing listens there'] },
    })
    expect(await readFile(keyFile, 'utf8')).toBe(before)
    expect(await list()).toMatchObject([{ reachable: true }, { reachable: false }])
    await serve('web2', web2)
    expect((await operator.mux('key', 'rotate', '--operator')).code).toBe(0)
    expect(await readFile(keyFile, 'utf8')).not.toBe(before)
    expect(await list()).toMatchObject([{ reachable: true }, { reachable: true }])
  })

  it('of which one has the place of the other, or another clock, are told of as that', async () => {
    const web2 = hosts.get('web2')!
    // One that refuses all, an hour ahead.
    const strange = createHttpServer((_request, answer) => {
      answer.setHeader('date', new Date(Date.now() + 3_600_000).toUTCString())
      answer.writeHead(403, { 'mux-problem': 'assertion_invalid' }).end('{}')
    }).listen(0, '127.0.0.1')
    await once(strange, 'listening')
    const { port } = strange.address() as AddressInfo
    try {
      await operator.mux('host', 'set', 'web1', '--control-url', web2.url)
      await operator.mux('host', 'set', 'web2', '--control-url', `http://127.0.0.1:${port}`)
      expect(await list()).toMatchObject([
        { reachable: false, problem: REFUSED },
        { reachable: false, problem: expect.stringMatching(/^its clock is 3[56]\d\d s ahead, or/) },
      ])
    } finally {
      strange.close()
      await operator.mux('host', 'set', 'web1', '--control-url', 'off')
      await operator.mux('host', 'set', 'web2', '--control-url', 'off')
    }
    expect(await list()).toMatchObject([{ reachable: true }, { reachable: true }])
  })

  it('of which one does not have what it is to have, as when it was set up anew, are told of as that', async () => {
    const { url } = hosts.get('web2')!
    const place = (host: string, origin: string): InstanceRecord =>
      ({ v: 1, host, origin, state: 'open', message: null }) as InstanceRecord
    await write([
      { kind: 'instance', name: 'gone', record: place('web2', url) },
      { kind: 'instance', name: 'nowhere', record: place('web8', 'https://web8.example.com') },
    ])
    const status = await operator.mux('status', '--json')
    const told = [await operator.mux('status'), await operator.mux('host', 'show', 'web2')]
    const rows = await list()
    await write(['gone', 'nowhere'].map((name) => ({ kind: 'instance', name, record: null })))
    expect(status.json()).toMatchObject({
      missing: [{ name: 'gone', host: 'web2', users: [] }],
      unknown: [{ name: 'nowhere', host: 'web8', users: [] }],
    })
    expect(rows).toMatchObject([{ missing: [] }, { missing: ['gone'] }])
    expect(told[0]!.stdout).toMatch(
      /^gone +It is not on web2, where it is to be\.\n +mux instance add gone$/m,
    )
    expect(told[1]!.stdout).toMatch(/^remarks +does not have gone$/m)
  })

  it('and ten that say nothing are asked at the same time, and waited for once', async () => {
    const sockets = new Set<Socket>()
    let open = 0
    let most = 0
    const silent = createServer((socket) => {
      sockets.add(
        socket
          .on('error', () => {})
          .on('close', () => open--)
          .resume(),
      )
      most = Math.max(most, ++open)
    }).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const names = Array.from({ length: 10 }, (_, n) => `silent${n}`)
    try {
      await writeHosts(names, { v: 1, origin: `http://127.0.0.1:${port}`, control: null, state: 'open' })
      const rows = await list()
      expect(most).toBe(10)
      expect(rows.filter(({ reachable }) => reachable).map(({ name }) => name)).toEqual(['web1', 'web2'])
      const silentOnes = rows.filter(({ name }) => names.includes(name))
      expect(new Set(silentOnes.map(({ problem }) => problem))).toEqual(
        new Set(['it does not answer in time']),
      )
      expect(sockets.size).toBe(10)
    } finally {
      await writeHosts(names, null)
      for (const socket of sockets) socket.destroy()
      silent.close()
    }
  })
})

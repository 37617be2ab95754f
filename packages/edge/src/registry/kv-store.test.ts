import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type KvExplorer, startKvExplorer } from './fixtures/kv-explorer.ts'
import {
  ACCOUNT,
  type AskedOf,
  type Fault,
  type KvRest,
  NAMESPACE,
  startKvRest,
  TOKEN,
} from './fixtures/kv-rest.ts'
import { describeRegistry, RECORDS, USER } from './fixtures/registry-suite.ts'
import { describeStore } from './fixtures/store-suite.ts'
import { createKvApi } from './kv-api.ts'
import { openKvStore } from './kv-store.ts'
import type { RegistryChange } from './registry.ts'

let explorer: KvExplorer
let rest: KvRest
beforeAll(async () => {
  ;[explorer, rest] = await Promise.all([startKvExplorer(), startKvRest()])
})
afterAll(() => Promise.all([explorer.close(), rest.close()]))

const storeAt = (baseUrl: string, wait: (milliseconds: number) => Promise<unknown> = async () => {}) =>
  openKvStore(createKvApi({ baseUrl, account: ACCOUNT, namespace: NAMESPACE, token: TOKEN, wait }))

const openExplorer = async () => {
  await explorer.empty()
  return {
    registry: storeAt(explorer.url),
    put: async (kind: string, name: string, text: string | null) => {
      if (text === null) await explorer.namespace.delete(`${kind}:${name}`)
      else await explorer.namespace.put(`${kind}:${name}`, text)
    },
    close: async () => {},
  }
}

describeRegistry('Workers KV, over its REST API', openExplorer)
describeStore('Workers KV', openExplorer)

it('a list of keys in KV shows what each record is about, and no hash', async () => {
  const { registry } = await openExplorer()
  const changes = Object.entries(RECORDS).map(
    ([kind, record]) => ({ kind, name: 'x', record }) as RegistryChange,
  )
  await registry.change(() => ({ changes, result: undefined }))
  const { keys } = await explorer.namespace.list()
  expect(keys.map(({ name, metadata }) => [name, metadata])).toEqual([
    ['host:x', { origin: 'vpc:WEB1', state: 'draining' }],
    ['instance:x', { host: 'local', state: 'maintenance' }],
    ['route:x', { instance: 'django1', access: 'public' }],
    ['token:x', { user: 'brian', expires: '2027-01-01T00:00:00Z' }],
    ['user:x', { instance: 'django2', disabled: false, changed: USER.changed }],
  ])
})

describe('the registry in Workers KV, when Cloudflare fails', () => {
  beforeEach(() => {
    rest.values.clear()
    rest.asked.length = 0
    rest.fault = () => undefined
    rest.stale = undefined
  })

  /** Lets so many requests of a route through, and fails the next ones. */
  const failing = (route: AskedOf['route'], fault: Fault, { after = 0, times = Infinity } = {}) => {
    let seen = 0
    rest.fault = (asked) => {
      if (asked.route !== route) return undefined
      seen += 1
      return seen > after && seen <= after + times ? fault : undefined
    }
  }
  const add = (...names: string[]) =>
    storeAt(rest.url).change(() => ({
      changes: names.map((name) => ({ kind: 'user', name, record: USER })),
      result: undefined,
    }))

  it.each<[string, Fault]>([
    ['fails twice', { status: 500 }],
    ['is busy twice', { status: 429, headers: { 'retry-after': '1' } }],
    [
      'says twice that it did not succeed',
      { status: 200, body: '{"success":false,"errors":[],"result":null}' },
    ],
    ['does it, and its answer breaks off twice', 'cut'],
    ['hangs up twice', 'drop'],
  ])('a write is done all the same when it %s', async (_what, fault) => {
    failing('put', fault, { times: 2 })
    await add('brian')
    expect([...rest.values.keys()]).toEqual(['user:brian'])
    expect(rest.asked).toHaveLength(3)
  })

  it('only what Cloudflare names as not done is written again', async () => {
    failing('put', 'half', { times: 2 })
    await add('a', 'b', 'c', 'd')
    expect(rest.asked.map(({ keys }) => keys.length)).toEqual([4, 2, 1])
    expect(rest.values.size).toBe(4)
  })

  it('gives up on what Cloudflare never does, and says how much that is', async () => {
    failing('put', 'half')
    const names = Array.from({ length: 64 }, (_, at) => `u${at}`)
    await expect(add(...names)).rejects.toMatchObject({
      code: 'cloudflare_failed',
      message: 'Cloudflare did not write 2 of 64 keys.',
    })
  })

  it.each<AskedOf['route']>(['list', 'get'])(
    'does not take half a list for a whole one: %s',
    async (route) => {
      await add('brian')
      failing(route, 'cut')
      await expect(storeAt(rest.url).list('user')).rejects.toMatchObject({ code: 'cloudflare_garbled' })
    },
  )

  it('reads the others where somebody has put more under one key than a request gives', async () => {
    await add('a', 'big', 'c', 'd', 'e')
    rest.values.set('user:big', { value: 'garbage' })
    rest.fault = ({ route, keys }) =>
      route === 'get' && keys.includes('user:big') && keys.length > 1 ? { status: 413 } : undefined
    const listed = await storeAt(rest.url).list('user')
    expect(listed.map(({ name, record }) => [name, 'code' in record])).toEqual([
      ['a', false],
      ['big', true],
      ['c', false],
      ['d', false],
      ['e', false],
    ])
  })

  it('writes a key once a second and no more', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const waited: number[] = []
    const store = storeAt(rest.url, async (milliseconds) => void waited.push(milliseconds))
    const put = (name: string) =>
      store.change(() => ({ changes: [{ kind: 'user', name, record: USER }], result: undefined }))
    await put('brian')
    await put('graham')
    expect(waited).toEqual([])
    vi.advanceTimersByTime(400)
    await put('brian')
    expect(waited).toEqual([600])
    vi.advanceTimersByTime(1000)
    await put('brian')
    expect(waited).toEqual([600])
  })

  it('decides anew when somebody else has written meanwhile', async () => {
    await add('brian')
    let decisions = 0
    const version = await storeAt(rest.url).change((read) => {
      const found = read('user', 'brian')!
      decisions += 1
      if (decisions === 1)
        rest.values.set('user:brian', { value: JSON.stringify({ ...USER, version: USER.version + 5 }) })
      const record = { ...found, version: found.version + 1 }
      return { changes: [{ kind: 'user', name: 'brian', record }], result: record.version }
    })
    expect(version).toBe(USER.version + 6)
    expect(JSON.parse(rest.values.get('user:brian')!.value)).toMatchObject({ version })
  })

  it('does not decide for ever', async () => {
    let other = USER.version
    const change = storeAt(rest.url).change((read) => {
      read('user', 'brian')
      other += 1
      rest.values.set('user:brian', { value: JSON.stringify({ ...USER, version: other }) })
      return { changes: [{ kind: 'user', name: 'brian', record: null }], result: undefined }
    })
    await expect(change).rejects.toMatchObject({ code: 'registry_unavailable' })
    expect(rest.values.has('user:brian')).toBe(true)
  })

  it('a change that breaks off anywhere has taken access away first, and is finished by the next', async () => {
    const record = { ...USER, instance: 'fresh' as never }
    const changes: RegistryChange[] = [
      { kind: 'user', name: 'added', record },
      { kind: 'instance', name: 'fresh', record: RECORDS.instance },
      { kind: 'instance', name: 'gone', record: null },
      { kind: 'token', name: 'made', record: RECORDS.token },
      { kind: 'user', name: 'removed', record: null },
      { kind: 'user', name: 'banned', record: { ...USER, disabled: true } },
    ]
    const reached: string[][] = []
    for (let after = 0; ; after += 1) {
      rest.values = new Map(
        ['user:removed', 'user:banned', 'instance:gone'].map((key) => [key, { value: JSON.stringify(USER) }]),
      )
      let writes = 0
      rest.fault = ({ route }) => {
        if (route === 'get' || route === 'list') return undefined
        writes += 1
        return writes > after ? { status: 403 } : undefined
      }
      const change = () => storeAt(rest.url).change(() => ({ changes, result: undefined }))
      const done = await change().then(
        () => true,
        () => false,
      )
      reached.push([...rest.values.keys()].sort())
      const isBanned = () => rest.values.get('user:banned')!.value.includes('"disabled":true')
      if (rest.values.has('user:added'))
        expect([isBanned(), rest.values.has('user:removed')]).toEqual([true, false])
      rest.fault = () => undefined
      await change()
      expect([...rest.values.keys()].sort()).toEqual([
        'instance:fresh',
        'token:made',
        'user:added',
        'user:banned',
      ])
      if (done) break
    }
    expect(reached).toEqual([
      ['instance:gone', 'user:banned', 'user:removed'],
      ['instance:gone', 'user:banned'],
      ['instance:gone', 'user:banned'],
      ['instance:fresh', 'instance:gone', 'user:banned'],
      ['instance:fresh', 'instance:gone', 'user:added', 'user:banned'],
      ['instance:fresh', 'instance:gone', 'token:made', 'user:added', 'user:banned'],
      ['instance:fresh', 'token:made', 'user:added', 'user:banned'],
    ])
  })
})

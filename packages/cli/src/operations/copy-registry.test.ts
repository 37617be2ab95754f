import { DatabaseSync } from 'node:sqlite'
import type { InstanceName, InstanceRecord, UserRecord } from '@mux/contract'
import { createKvApi, openKvStore, type RegistryChange } from '@mux/edge/registry'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  ACCOUNT,
  type KvRest,
  NAMESPACE,
  startKvRest,
  TOKEN,
} from '../../../edge/src/registry/fixtures/kv-rest.ts'
import { HASH, INSTANCE, USER } from '../fixtures/records.ts'
import { temporaryProject } from '../fixtures/run-mux.ts'
import { type Project, projectAt } from '../project.ts'
import { withRegistry } from '../registry.ts'
import { compareRegistries, pullRegistry, pushRegistry } from './copy-registry.ts'

const here = { host: 'local' as never, origin: 'local:' }

let rest: KvRest
beforeAll(async () => {
  rest = await startKvRest()
})
afterAll(() => rest.close())

let project: Project
beforeEach(() => {
  rest.values.clear()
  rest.asked.length = 0
  rest.fault = () => undefined
  rest.stale = undefined
  project = newProject()
})

const newProject = () => projectAt(temporaryProject('app: { command: node server.js }\ninstances: {}\n'))
const kv = () =>
  openKvStore(
    createKvApi({
      baseUrl: rest.url,
      account: ACCOUNT,
      namespace: NAMESPACE,
      token: TOKEN,
      wait: async () => {},
    }),
  )
const yes = async () => {}
const no = () => Promise.reject(new Error('not confirmed'))
const push = (confirm: () => Promise<void> = no) => pushRegistry(project, kv(), confirm)
const pull = (confirm: () => Promise<void> = no) => pullRegistry(project, kv(), confirm)
const diff = () => compareRegistries(project, kv())

const change = (...changes: RegistryChange[]) =>
  withRegistry(project, (registry) => registry.change(() => ({ changes, result: undefined })))
const user = (name: string, record: Partial<UserRecord> | null = {}): RegistryChange => ({
  kind: 'user',
  name,
  record: record && { ...USER, ...record },
})
const instance = (name: string, record: InstanceRecord | null = INSTANCE): RegistryChange => ({
  kind: 'instance',
  name,
  record,
})
const damage = (name: string) => {
  const database = new DatabaseSync(project.state.registry)
  database.prepare("UPDATE records SET value = '{}' WHERE name = ?").run(name)
  database.close()
}
const usersHere = () => withRegistry(project, (registry) => registry.list('user'))
const inKv = () => [...rest.values.keys()].sort()
const recordInKv = (key: string) => JSON.parse(rest.values.get(key)!.value) as unknown
const writes = () => rest.asked.filter(({ route }) => route === 'put' || route === 'delete')

describe('a push', () => {
  it('writes nothing when nothing differs, and otherwise only that', async () => {
    await change(instance('django1'), user('brian'), user('graham'))
    expect(await push()).toMatchObject({ written: { user: 2, instance: 1 }, removed: {}, unusable: [] })
    rest.asked.length = 0
    expect(await push()).toEqual({ written: {}, removed: {}, unusable: [], told: [] })
    expect(writes()).toEqual([])
    await change(user('graham', { disabled: true, version: USER.version + 1 }))
    expect(await push()).toMatchObject({ written: { user: 1 } })
    expect(writes()).toEqual([{ route: 'put', keys: ['user:graham'] }])
  })

  it('writes the hash that a sign-in has replaced, although the version is the same', async () => {
    await change(instance('django1'), user('brian', { password: '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=' }))
    await push()
    await change(user('brian'))
    expect(await push()).toMatchObject({ written: { user: 1 } })
    expect(recordInKv('user:brian')).toEqual(USER)
  })

  it('does not count the last use of a token as a difference', async () => {
    const token = {
      v: 1,
      user: 'brian' as never,
      sha256: 'a'.repeat(64),
      expires: null,
      label: null,
    } as const
    await change({ kind: 'token', name: 't', record: { ...token, used: null } })
    await push()
    await change({ kind: 'token', name: 't', record: { ...token, used: '2026-11-29' } })
    expect(await diff()).toEqual([])
  })

  it('leaves keys alone that are no records', async () => {
    rest.values.set('ended:session', { value: '1' })
    await change(instance('django1'), user('brian'))
    await push()
    expect(inKv()).toEqual(['ended:session', 'instance:django1', 'user:brian'])
  })

  it('puts nothing older in the place of what is later in KV, and writes nothing else either', async () => {
    await change(instance('django1'), user('brian'), user('eric'))
    await push()
    const later = { ...USER, disabled: true, version: USER.version + 5 }
    rest.values.set('user:brian', { value: JSON.stringify(later) })
    await change(user('brian', { version: USER.version + 3 }), user('eric', { version: USER.version + 1 }))
    rest.asked.length = 0
    await expect(push(yes)).rejects.toMatchObject({
      code: 'registry_conflict',
      exitCode: 4,
      details: ['brian'],
    })
    expect(writes()).toEqual([])
    expect(recordInKv('user:brian')).toEqual(later)
  })

  it('names whatever a Worker could do nothing with, and writes none of it', async () => {
    await change(
      instance('django1'),
      instance('here', { ...INSTANCE, ...here }),
      user('brian', { password: HASH.replace('ln=14,r=8,p=5', 'ln=17,r=8,p=2') }),
      user('eric', { target: here }),
      user('graham'),
      user('michael', { instance: 'here' as InstanceName, target: here }),
      user('terry', { password: HASH.slice(0, 40) }),
      { kind: 'route', name: 'a.b', record: { v: 1, instance: 'no' as InstanceName, access: 'public' } },
    )
    const refusal = push(yes)
    await expect(refusal).rejects.toMatchObject({
      code: 'record_unfit',
      exitCode: 1,
      details: [
        'user brian: no Worker can verify the hash of their password; mux user password brian',
        'user eric: is sent to where django1 is not; mux up on that host sets it right',
        'user terry: no Worker can verify the hash of their password; mux user password terry',
        'instance here: it has no URL; mux host join and mux up give this machine one',
        'route a.b: there is no instance no',
      ],
    })
    expect(writes()).toEqual([])
  })

  it('leaves what cannot be used here as it is there, and says so', async () => {
    await change(instance('django1'), user('brian'))
    await push()
    damage('brian')
    expect(await push()).toMatchObject({ written: {}, removed: {}, unusable: ['user:brian'] })
    expect(recordInKv('user:brian')).toEqual(USER)
  })

  it('puts a record right that somebody has damaged in KV', async () => {
    await change(instance('django1'), user('brian'), user('graham'))
    await push()
    rest.values.set('user:brian', { value: 'garbage' })
    expect(await push()).toMatchObject({ written: { user: 1 } })
    expect(recordInKv('user:brian')).toEqual(USER)
  })

  it('that breaks off has taken access away, and the next one goes on', async () => {
    await change(instance('django1'), user('brian'), user('graham'))
    await push()
    await change(user('brian', null), instance('fresh'), user('eric', { instance: 'fresh' as InstanceName }))
    let written = 0
    rest.fault = ({ route }) => {
      if (route === 'put' || route === 'delete') written += 1
      return written > 1 ? { status: 403 } : undefined
    }
    await expect(push(yes)).rejects.toMatchObject({ code: 'cloudflare_forbidden' })
    expect(inKv()).toEqual(['instance:django1', 'user:graham'])
    rest.fault = () => undefined
    await push()
    expect(await diff()).toEqual([])
  })

  it('comes to the same when KV still gives what was there before', async () => {
    await change(instance('django1'), user('brian'))
    rest.stale = new Map()
    await push()
    await push()
    expect(inKv()).toEqual(['instance:django1', 'user:brian'])
    rest.stale = undefined
    expect(await diff()).toEqual([])
  })

  it('waits for the one before it', async () => {
    await change(instance('django1'), user('brian'))
    const order: string[] = []
    rest.values.set('user:gone', { value: JSON.stringify(USER) })
    const asked = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<void>()
    const first = push(async () => {
      asked.resolve()
      await answered.promise
      order.push('first')
    })
    await asked.promise
    const second = push().then(() => order.push('second'))
    answered.resolve()
    await Promise.all([first, second])
    expect(order).toEqual(['first', 'second'])
  })
})

describe('a pull', () => {
  it('removes what is not in KV only when that is confirmed', async () => {
    await change(instance('django1'), user('brian'))
    await push()
    await change(user('eric'))
    await expect(pull(no)).rejects.toThrow('not confirmed')
    expect(await usersHere()).toHaveLength(2)
    expect(await pull(yes)).toMatchObject({ removed: { user: 1 } })
    expect(await usersHere()).toMatchObject([{ name: 'brian' }])
  })

  it('puts nothing older in the place of what is later here', async () => {
    await change(instance('django1'), user('brian'))
    await push()
    await change(user('brian', { disabled: true, version: USER.version + 1 }))
    await expect(pull(yes)).rejects.toMatchObject({ code: 'registry_conflict', details: ['brian'] })
    expect(await usersHere()).toMatchObject([{ record: { disabled: true } }])
  })

  it('changes nothing when a record is changed here while it is confirmed', async () => {
    await change(instance('django1'), user('brian'))
    await push()
    await change(user('eric'), user('graham'))
    const changing = pull(() => change(user('eric', { disabled: true, version: USER.version + 1 })))
    await expect(changing).rejects.toMatchObject({ code: 'registry_conflict' })
    expect((await usersHere()).map(({ name }) => name)).toEqual(['brian', 'eric', 'graham'])
  })

  it('takes the good records where one in KV is damaged, and says which that is', async () => {
    rest.values.set('user:brian', { value: JSON.stringify(USER) })
    rest.values.set('user:eric', { value: '{"v":1}' })
    expect(await pull()).toEqual({ written: { user: 1 }, removed: {}, unusable: ['user:eric'] })
    expect(await usersHere()).toEqual([{ name: 'brian', record: USER }])
  })
})

it('2500 users on 40 instances are pushed, moved, removed and pulled in few requests', async () => {
  const names = Array.from({ length: 40 }, (_, at) => `i${at}`)
  const people = Array.from({ length: 2500 }, (_, at) =>
    user(`u${at}`, { instance: names[at % 40] as InstanceName }),
  )
  await change(...names.map((name) => instance(name)), ...people)
  expect(await push()).toMatchObject({ written: { user: 2500, instance: 40 } })
  expect(rest.values.size).toBe(2540)
  expect(writes().map(({ keys }) => keys.length)).toEqual([40, 2500])

  const moved = { instance: 'i7' as InstanceName, version: USER.version + 1 }
  await change(...people.slice(0, 60).map(({ name }) => user(name, moved)))
  await change(...people.slice(60, 160).map(({ name }) => user(name, null)))
  rest.asked.length = 0
  expect(await push(yes)).toMatchObject({ written: { user: 60 }, removed: { user: 100 } })
  expect(writes().map(({ route, keys }) => [route, keys.length])).toEqual([
    ['delete', 100],
    ['put', 60],
  ])
  expect(rest.asked.length).toBeLessThan(50)

  project = newProject()
  expect(await pull()).toMatchObject({ written: { user: 2400, instance: 40 } })
  expect(await diff()).toEqual([])
})

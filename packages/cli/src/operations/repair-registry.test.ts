import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LOCAL_HOST, LOCAL_ORIGIN, parseHostName, parseInstanceName, type UserRecord } from '@mux/contract'
import { openSqliteRegistry, type RegistryStore } from '@mux/edge'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { recordInstances, redirectUsers } from './repair-registry.ts'

const here = { host: LOCAL_HOST, origin: LOCAL_ORIGIN }
const elsewhere = { host: parseHostName('b')!, origin: 'https://b.example.com' }
const django1 = parseInstanceName('django1')!
const django2 = parseInstanceName('django2')!
const graham: UserRecord = {
  v: 1,
  instance: django1,
  target: here,
  password: null,
  disabled: false,
  version: 7,
  changed: '2026-11-22T10:00:00.000Z',
}

let directory: string
let file: string
let registry: RegistryStore
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mux-repair-'))
  file = join(directory, 'registry.sqlite')
  registry = openSqliteRegistry(file)
})
afterEach(async () => {
  registry.close()
  await rm(directory, { recursive: true })
})

const put = (name: string, record: UserRecord) =>
  registry.change(() => ({ changes: [{ kind: 'user', name, record }], result: undefined }))
const recordAll = () => recordInstances(registry, [django1, django2], here)
const redirect = (now = 1_000_000) => redirectUsers(registry, [django1, django2], here, now)

it('every instance of mux.yaml has a record, and a second look finds nothing to do', async () => {
  expect(await recordAll()).toEqual([django1, django2])
  expect(await registry.read('instance', django1)).toEqual({ v: 1, state: 'open', message: null, ...here })
  expect(await recordAll()).toEqual([])
})

it('an instance that was closed and elsewhere stays closed, and is here', async () => {
  const record = { v: 1, state: 'maintenance', message: 'Back at noon.', ...elsewhere } as const
  await registry.change(() => ({ changes: [{ kind: 'instance', name: django1, record }], result: undefined }))
  await recordAll()
  expect(await registry.read('instance', django1)).toEqual({ ...record, ...here })
})

it('a user who is sent to where the instance is not is sent here, under a new version', async () => {
  await put('graham', { ...graham, target: elsewhere })
  expect(await redirect(5)).toMatchObject({ users: ['graham'] })
  expect(await registry.read('user', 'graham')).toMatchObject({ target: here, version: 8, epoch: 7 })
})

it('users who are sent right, who have no instance, or whose instance is not ours, stay untouched', async () => {
  await put('graham', graham)
  await put('terry', { ...graham, instance: null, target: null })
  await put('eric', { ...graham, instance: parseInstanceName('other')!, target: elsewhere })
  expect(await redirect()).toMatchObject({ users: [] })
  expect(await registry.read('user', 'graham')).toEqual(graham)
})

it('a user whose record cannot be used is reported, and does not keep the others from being repaired', async () => {
  await put('graham', { ...graham, target: elsewhere })
  const database = new DatabaseSync(file)
  database.prepare("INSERT INTO records (kind, name, value) VALUES ('user', 'brian', '{}')").run()
  database.close()
  expect(await redirect()).toMatchObject({ users: ['graham'], unusable: [{ key: 'user:brian' }] })
})

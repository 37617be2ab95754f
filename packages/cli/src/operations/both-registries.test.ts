import type { InstanceName, UserName, UserRecord } from '@mux/contract'
import { createKvApi, openKvStore, openSqliteRegistry, type RegistryStore } from '@mux/edge/registry'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  ACCOUNT,
  type KvRest,
  NAMESPACE,
  startKvRest,
  TOKEN,
} from '../../../edge/src/registry/fixtures/kv-rest.ts'
import { removeUser, setDisabled, setPassword } from './change-user.ts'
import { listUsers } from './list-users.ts'
import { listTokens, makeToken, revokeToken } from './tokens.ts'

const brian = 'brian' as UserName
const USER: UserRecord = {
  v: 1,
  instance: 'django1' as InstanceName,
  target: { host: 'web1' as never, origin: 'https://web1.example.com' },
  password: null,
  disabled: false,
  version: 1,
  changed: '2026-11-22T10:00:00.000Z',
}

let rest: KvRest
beforeAll(async () => {
  rest = await startKvRest()
})
afterAll(() => rest.close())

const openKv = () => {
  rest.values.clear()
  return openKvStore(
    createKvApi({
      baseUrl: rest.url,
      account: ACCOUNT,
      namespace: NAMESPACE,
      token: TOKEN,
      wait: async () => {},
    }),
  )
}

describe.each<[string, () => RegistryStore]>([
  ['SQLite', () => openSqliteRegistry(':memory:')],
  ['Workers KV', openKv],
])('what is done to a user in %s', (_, open) => {
  let registry: RegistryStore
  beforeEach(async () => {
    registry = open()
    await registry.change(() => ({
      changes: [{ kind: 'user', name: brian, record: USER }],
      result: undefined,
    }))
  })

  it('is seen, and raises the version once', async () => {
    expect(await setDisabled(registry, brian, true)).toBe(true)
    expect(await listUsers(registry)).toMatchObject([{ name: brian, disabled: true }])
    const { version } = (await registry.read('user', brian))!
    expect(version).toBeGreaterThan(1)
    expect(await setDisabled(registry, brian, true)).toBe(false)
    expect(await registry.read('user', brian)).toMatchObject({ version })
  })

  it('takes their tokens away when the password is another, or the user is removed', async () => {
    await makeToken(registry, { user: brian, label: null, expires: null })
    const { id } = await makeToken(registry, { user: brian, label: 'ci', expires: null })
    await revokeToken(registry, id)
    expect(await setPassword(registry, brian, { password: 'x', keepTokens: false })).toBe(1)
    expect(await listTokens(registry, brian)).toEqual([])
    await makeToken(registry, { user: brian, label: null, expires: null })
    expect(await removeUser(registry, brian)).toEqual({ tokens: 1 })
    expect([await registry.list('user'), await registry.list('token')]).toEqual([[], []])
  })

  it('is refused for somebody who is not there', async () => {
    const nobody = 'nobody' as UserName
    await expect(removeUser(registry, nobody)).rejects.toMatchObject({ code: 'user_not_found' })
    await expect(makeToken(registry, { user: nobody, label: null, expires: null })).rejects.toMatchObject({
      code: 'user_not_found',
    })
    expect(await registry.list('token')).toEqual([])
  })
})

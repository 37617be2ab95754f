import { parseUserName, type TokenRecord } from '@mux/contract'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { createToken, type NewToken } from './tokens.ts'

let under: EdgeUnderTest
beforeEach(async () => {
  under = await startEdge()
  under.registry.addUser('graham', 'django1')
  under.registry.addUser('brian', 'django2')
})
afterEach(() => under.edge.close(0))

const bearer = (token: string) => `Bearer ${token}`

async function get(authorization: string, path = '/'): Promise<Response> {
  return fetch(under.url + path, { headers: authorization === '' ? {} : { authorization } })
}
async function statusOf(authorization: string, path = '/'): Promise<number> {
  return (await get(authorization, path)).status
}
function addToken(user: string, change: Partial<TokenRecord> = {}): NewToken {
  const made = createToken()
  under.registry.set('token', made.id, {
    v: 1,
    user: parseUserName(user)!,
    sha256: made.sha256,
    expires: null,
    label: null,
    used: null,
    ...change,
  })
  return made
}

describe('an API token signs its user in', () => {
  test.each([
    ['as Bearer', bearer],
    ['as the password of its user in Basic', (token: string) => basic('Graham', token)],
  ])('%s, and the instance does not see it', async (_how, spell) => {
    const { token } = addToken('graham')
    const order = (await (await get(spell(token))).json()) as { decision: object; headers: string[] }
    expect(order.decision).toMatchObject({ user: 'graham', instance: 'django1' })
    expect(order.headers.join('\n')).not.toMatch(/mux_|authorization/i)
  })

  test('until it expires', async () => {
    const { token } = addToken('graham', { expires: '2027-01-01T00:00:00Z' })
    under.clock.now = Date.UTC(2027, 0, 1) - 1
    expect(await statusOf(bearer(token))).toBe(200)
    under.clock.now += 1
    expect(await statusOf(bearer(token))).toBe(401)
  })

  test('until it is revoked', async () => {
    const { id, token } = addToken('graham')
    expect(await statusOf(bearer(token))).toBe(200)
    under.registry.remove('token', id)
    expect(await statusOf(bearer(token))).toBe(401)
  })

  test.each([
    ['disabled', () => under.registry.addUser('graham', 'django1', { disabled: true })],
    ['removed', () => under.registry.remove('user', 'graham')],
  ])('until the user is %s', async (_what, change) => {
    const { token } = addToken('graham')
    change()
    expect(await statusOf(bearer(token))).toBe(401)
    expect(await statusOf(basic('graham', token))).toBe(401)
  })
})

describe('an API token signs nobody in', () => {
  test('under the name of another user', async () => {
    const { token } = addToken('graham')
    expect(await statusOf(basic('brian', token))).toBe(401)
    expect(await statusOf(basic('nobody', token))).toBe(401)
  })

  test('with one character changed', async () => {
    const { token } = addToken('graham')
    const changed = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')
    expect(await statusOf(bearer(changed))).toBe(401)
    expect(await statusOf(basic('graham', changed))).toBe(401)
  })

  test('from the query', async () => {
    const { token } = addToken('graham')
    expect(await statusOf('', `/?access_token=${token}&token=${token}`)).toBe(401)
  })
})

describe('guessing at a token', () => {
  const wrong = ({ id }: NewToken) => bearer(`mux_${id}_${'0'.repeat(40)}`)

  test('has to wait after ten failures, and keeps neither another token nor a password waiting', async () => {
    const attacked = addToken('graham')
    const other = addToken('graham')
    for (let i = 0; i < 10; i += 1) expect(await statusOf(wrong(attacked))).toBe(401)
    const limited = await get(wrong(attacked))
    expect(limited.status).toBe(429)
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await statusOf(bearer(other.token))).toBe(200)
    expect(await statusOf(basic('graham', PASSWORD))).toBe(200)
  })

  test('has to wait after a hundred failures whatever the token', async () => {
    for (let i = 0; i < 100; i += 1) expect(await statusOf(wrong(createToken()))).toBe(401)
    expect(await statusOf(wrong(createToken()))).toBe(429)
  })
})

describe('the day on which a token was last used', () => {
  const usedOn = async (id: string) => (await under.registry.read('token', id))!.used

  test('is noted, with one write a day however often it is used', async () => {
    const { id, token } = addToken('graham')
    for (let i = 0; i < 5; i += 1) await get(bearer(token))
    await expect.poll(() => usedOn(id)).toBe('2026-11-22')
    under.clock.now += 24 * 60 * 60 * 1000
    for (let i = 0; i < 5; i += 1) await get(bearer(token))
    await expect.poll(() => usedOn(id)).toBe('2026-11-23')
    expect(under.registry.changes).toBe(2)
  })

  test('is not noted of one that is refused', async () => {
    const { id, token } = addToken('graham', { expires: '2026-01-01T00:00:00Z' })
    expect(await statusOf(bearer(token))).toBe(401)
    expect(await usedOn(id)).toBeNull()
    expect(under.registry.changes).toBe(0)
  })

  test('is left out when it cannot be written, told to the log once, and the request is served', async () => {
    const { id, token } = addToken('graham')
    under.registry.change = () => Promise.reject(new Error('locked'))
    for (let i = 0; i < 3; i += 1) expect(await statusOf(bearer(token))).toBe(200)
    expect(under.log).toMatchObject([{ event: 'token_use_not_noted', token: id }])
  })
})

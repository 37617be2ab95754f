import { generateKeyPair } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Access, createAccess } from './access.ts'
import {
  type AccessTeam,
  type AssertionChange,
  AUDIENCE,
  ISSUER,
  startAccessTeam,
  TEAM,
} from './fixtures/access-team.ts'
import type { LogEvent } from './log-event.ts'

const CLAIM = 'JWT_CLAIM_VALIDATION_FAILED'

let team: AccessTeam
let clock: number
let log: LogEvent[]
let access: Access
beforeAll(async () => {
  team = await startAccessTeam()
})
afterAll(() => team.close())
beforeEach(() => {
  team.fails = false
  clock = Date.now()
  log = []
  access = newAccess()
})

function newAccess(): Access {
  return createAccess({
    team: TEAM,
    audience: AUDIENCE,
    log: (event) => log.push(event),
    now: () => clock,
    fetch: (url, init) => fetch((url as string).replace(ISSUER, `http://${team.address}`), init),
  })
}

/** As Access makes it at the time that it is for {@link access}. */
const asserted = (email: string, change: AssertionChange = {}) =>
  team.assertion(email, { now: clock, ...change })

function identify(assertion: string) {
  return access.identify({ rawHeaders: ['cf-access-jwt-assertion', assertion] })
}

describe('Access', () => {
  it('says who somebody is and until when, and its keys are asked for once', async () => {
    const asked = team.asked()
    const expires = Math.floor(clock / 1000) + 3600
    for (const email of ['brian@example.com', 'graham@example.com'])
      expect(await identify(await asserted(email))).toEqual({ email, expires })
    expect(team.asked()).toBe(asked + 1)
  })

  it('says nothing where there is no assertion, and of a program with a service token', async () => {
    expect(await access.identify({ rawHeaders: ['cookie', 'CF_Authorization=x'] })).toBeUndefined()
    const claims = { email: undefined, common_name: 'token.access', sub: '' }
    expect(await identify(await asserted('', { claims }))).toBeUndefined()
  })

  const hour = 3600
  const seconds = (from: number) => Math.floor(Date.now() / 1000) + from
  const claims = (of: object) => async () => ({ claims: { ...of } })
  it.each<[string, string, () => Promise<AssertionChange>]>([
    [
      'its public key as a secret',
      'JOSE_ALG_NOT_ALLOWED',
      async () => ({ alg: 'HS256', key: await team.publicKey() }),
    ],
    ['an algorithm that Access does not use', 'JOSE_ALG_NOT_ALLOWED', () => ofAnother('PS256')],
    [
      'the key of another, under the name of its own',
      'JWS_SIGNATURE_VERIFICATION_FAILED',
      () => ofAnother('RS256'),
    ],
    ['a key that it does not have', 'JWKS_NO_MATCHING_KEY', async () => ({ header: { kid: 'key999' } })],
    [
      'the name of a key that is a path',
      'JWKS_NO_MATCHING_KEY',
      async () => ({ header: { kid: '../../x' } }),
    ],
    ['another application for its audience', CLAIM, claims({ aud: ['cd'.repeat(32)] })],
    ['no audience', CLAIM, claims({ aud: undefined })],
    ['another team for its issuer', CLAIM, claims({ iss: 'https://evil.cloudflareaccess.com' })],
    ['an issuer that begins like its own', CLAIM, claims({ iss: `${ISSUER}.evil.example` })],
    ['an end that is past', 'JWT_EXPIRED', claims({ exp: seconds(-hour) })],
    ['no end', CLAIM, claims({ exp: undefined })],
    ['an end that is no number', CLAIM, claims({ exp: 'never' })],
    ['a beginning that is to come', CLAIM, claims({ nbf: seconds(hour) })],
  ])('is not believed with %s', async (_what, reason, change) => {
    await expectRefused(await asserted('admin@example.com', await change()), reason)
  })

  it('is not believed without a signature', async () => {
    const [, payload] = (await asserted('admin@example.com')).split('.')
    await expectRefused(`${encode({ alg: 'none' })}.${payload}.`, 'JOSE_ALG_NOT_ALLOWED')
  })

  async function ofAnother(alg: string): Promise<AssertionChange> {
    return { alg, key: (await generateKeyPair(alg)).privateKey }
  }

  async function expectRefused(assertion: string, reason: string): Promise<void> {
    await expect(identify(assertion)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(log).toEqual([{ event: 'access_refused', reason: `ERR_${reason}` }])
  }

  it.each(['', 'x', 'a.b.c', `${encode({ alg: 'RS256' })}..`, 'e30.e30.e30', 'x'.repeat(9000)])(
    'is not believed in %.20j',
    async (assertion) => {
      await expect(identify(assertion)).rejects.toMatchObject({ code: 'unauthenticated' })
    },
  )

  it('is not believed in one assertion of two', async () => {
    const both = [await asserted('brian@example.com'), await asserted('graham@example.com')]
    const rawHeaders = both.flatMap((assertion) => ['cf-access-jwt-assertion', assertion])
    await expect(access.identify({ rawHeaders })).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(identify(both.join(', '))).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('is verified once in a minute, and not beyond its end', async () => {
    const assertion = await asserted('brian@example.com', {
      claims: { exp: Math.floor(clock / 1000) + 90 },
    })
    await identify(assertion)
    team.fails = true
    clock += 59_000
    await identify(assertion)
    clock += 42_000
    await expect(identify(assertion)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('goes on with the keys of another day, and asks for them once for each that it does not know', async () => {
    // Made before, since it may take longer than the time for which keys are not asked for again.
    const key = await team.makeKey()
    await identify(await asserted('brian@example.com'))
    await team.rollKey(key)
    const asked = team.asked()
    // So shortly after it has asked for them it does not do so again, whoever makes up names of keys.
    await expect(identify(await asserted('brian@example.com'))).rejects.toThrow('Sign in')
    expect(team.asked()).toBe(asked)
    access = newAccess()
    expect(await identify(await asserted('brian@example.com'))).toMatchObject({
      email: 'brian@example.com',
    })
  })

  it('is not there for anybody whom it has not let in before, when its keys cannot be had', async () => {
    team.fails = true
    await expect(identify(await asserted('brian@example.com'))).rejects.toMatchObject({
      code: 'access_unavailable',
      retryAfter: 5,
    })
    team.fails = false
    expect(await identify(await asserted('brian@example.com'))).toMatchObject({
      email: 'brian@example.com',
    })
  })
})

describe('the platform’s word', () => {
  const identity = (of: object) => async () => of

  it('goes before what stands in a header', async () => {
    const rawHeaders = ['cf-access-jwt-assertion', 'forged']
    const platform = { aud: AUDIENCE, getIdentity: identity({ email: 'brian@example.com' }) }
    expect(await access.identify({ rawHeaders, access: platform })).toEqual({
      email: 'brian@example.com',
      expires: undefined,
    })
  })

  it('counts for this application only', async () => {
    const platform = { aud: 'cd'.repeat(32), getIdentity: identity({ email: 'brian@example.com' }) }
    expect(await access.identify({ rawHeaders: [], access: platform })).toBeUndefined()
  })

  it.each([
    ['a program', {}],
    ['nobody', undefined],
  ])('may be that it is %s', async (_what, of) => {
    const platform = { aud: AUDIENCE, getIdentity: async () => of }
    expect(await access.identify({ rawHeaders: [], access: platform })).toBeUndefined()
  })

  it('that does not come is 503', async () => {
    const platform = { aud: AUDIENCE, getIdentity: () => Promise.reject(new Error('down')) }
    await expect(access.identify({ rawHeaders: [], access: platform })).rejects.toMatchObject({
      code: 'access_unavailable',
    })
  })
})

it.each([
  ['', AUDIENCE],
  ['a.b', AUDIENCE],
  ['example.cloudflareaccess.com', AUDIENCE],
  ['evil.example/', AUDIENCE],
  [TEAM, ''],
  [TEAM, 'x'],
])('nothing is made of the team %j with the audience %.8j', (name, audience) => {
  const parts = { team: name, audience, log: () => {}, now: () => clock }
  expect(() => createAccess(parts)).toThrow(RangeError)
})

function encode(header: object): string {
  return Buffer.from(JSON.stringify(header)).toString('base64url')
}

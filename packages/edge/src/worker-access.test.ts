import { createServer, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type AccessTeam, AUDIENCE, startAccessTeam, TEAM } from './fixtures/access-team.ts'
import { type BareWorker, KvShim, startBareWorker } from './fixtures/bare-workerd.ts'
import { basic } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { browse } from './fixtures/raw-client.ts'
import { listen } from './fixtures/listen.ts'
import { asGateway, EDGE_KEY } from './fixtures/proof.ts'
import { buildWorker, COMPATIBILITY_DATE } from './fixtures/built-worker.ts'
import { userRecord } from './fixtures/user-record.ts'

const SECRETS = {
  EDGE_KEY,
  SESSION_KEY: Buffer.alloc(32, 2).toString('base64'),
}
const CONFIGURED = { ...SECRETS, ACCESS_TEAM: TEAM, ACCESS_AUD: AUDIENCE }

let received: IncomingMessage[]
const gateway = createServer(
  asGateway((incoming, outgoing) => {
    received.push(incoming)
    outgoing.end(String(incoming.headers['mux-user'] ?? 'nobody'))
  }),
)
let origin: string
let source: string
let team: AccessTeam
beforeAll(async () => {
  origin = await listen(gateway)
  team = await startAccessTeam()
  source = await buildWorker()
})
afterAll(() => {
  gateway.close()
  gateway.closeAllConnections()
  team.close()
})
beforeEach(() => {
  received = []
  team.fails = false
})

function fill(kv: KvShim): void {
  for (const name of ['brian@example.com', 'graham@example.com', 'graham'])
    kv.put(`user:${name}`, userRecord(origin))
  kv.put('user:gone@example.com', userRecord(origin, { disabled: true }))
  kv.put('instance:site', { v: 1, host: 'east', origin, state: 'open', message: null })
  kv.put('route:*', { v: 1, instance: 'site', access: 'signed-in' })
}

function start(kv: KvShim, texts: Record<string, string>): Promise<BareWorker> {
  const hosts = { [`${TEAM}.cloudflareaccess.com`]: team.address }
  return startBareWorker({ source, compatibilityDate: COMPATIBILITY_DATE, kv, texts, hosts })
}

describe('behind Cloudflare Access', () => {
  const kv = new KvShim()
  let worker: BareWorker
  beforeAll(async () => {
    fill(kv)
    worker = await start(kv, CONFIGURED)
  })
  afterAll(() => worker.close())

  const asserted = async (email: string, headers: Record<string, string> = {}) => ({
    'cf-access-jwt-assertion': await team.assertion(email),
    ...headers,
  })
  const ask = (headers: Record<string, string>, path = '/', init: RequestInit = {}) =>
    fetch(worker.url + path, { headers, redirect: 'manual', ...init })

  async function cookieOf(user: string): Promise<string> {
    const form = { username: user, password: PASSWORD, next: '/' }
    const { headers } = await browse(`${worker.url}/_mux/signin`, { form })
    return headers['set-cookie']![0]!.split(';')[0]!
  }

  test('somebody is the user of their address, in whatever case; the instance sees nothing of how', async () => {
    const cookie = `a=1; CF_Authorization=${await team.assertion('graham@example.com')}; CF_AppSession=x; b=2`
    const answer = await ask(await asserted('Brian@Example.COM', { cookie }))
    expect([answer.status, await answer.text()]).toEqual([200, 'brian@example.com'])
    const text = JSON.stringify(received[0]!.rawHeaders)
    expect(received[0]!.headers.cookie).toBe('a=1; b=2')
    expect(text).not.toMatch(/cf[-_]access|CF_A/i)
    expect(text).not.toContain('eyJ')
  })

  test.each(['nobody@example.com', 'gone@example.com', 'no name at all'])(
    'somebody who is no user, or not any more (%s), is told so, and reaches nothing',
    async (email) => {
      const answer = await ask(await asserted(email))
      expect([answer.status, await answer.json()]).toMatchObject([403, { code: 'no_instance' }])
      const page = await browse(worker.url, {
        headers: await asserted(email, { cookie: await cookieOf('graham') }),
      })
      expect(page.status).toBe(403)
      expect(received).toHaveLength(0)
    },
  )

  test('a password or a token goes before it, and it goes before the cookie of a session', async () => {
    const cookie = await cookieOf('graham')
    expect(await (await ask({ cookie })).text()).toBe('graham')
    expect(await (await ask(await asserted('brian@example.com', { cookie }))).text()).toBe(
      'brian@example.com',
    )
    const authorization = basic('graham', PASSWORD)
    expect(await (await ask(await asserted('brian@example.com', { authorization }))).text()).toBe('graham')
    const wrong = basic('graham', 'wrong')
    expect((await ask(await asserted('brian@example.com', { authorization: wrong }))).status).toBe(401)
  })

  test('one that is not good is refused, whatever cookie stands beside it', async () => {
    const cookie = await cookieOf('graham')
    const forged = await team.assertion('brian@example.com', { claims: { aud: ['cd'.repeat(32)] } })
    expect((await ask({ 'cf-access-jwt-assertion': forged, cookie })).status).toBe(401)
    expect(received).toHaveLength(0)
    await expect.poll(() => worker.log.join('\n')).toContain('"reason":"ERR_JWT_CLAIM_VALIDATION_FAILED"')
    expect(worker.log.join('\n')).not.toContain('eyJ')
  })

  test('a program with a service token of Access is nobody by that, and who its password says', async () => {
    const claims = { email: undefined, common_name: 'token.access', sub: '' }
    const program = { 'cf-access-jwt-assertion': await team.assertion('', { claims }) }
    expect((await ask(program)).status).toBe(401)
    expect(await (await ask({ ...program, authorization: basic('graham', PASSWORD) })).text()).toBe('graham')
  })

  test('two people at once are each themselves', async () => {
    const people = ['brian@example.com', 'graham@example.com']
    const headers = await Promise.all(people.map((email) => asserted(email)))
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => (await ask(headers[i % 2]!)).text()),
    )
    expect(answers).toEqual(Array.from({ length: 60 }, (_, i) => people[i % 2]))
  })

  test('an Authorization that is the application’s passes', async () => {
    await ask(await asserted('brian@example.com', { authorization: 'Bearer of-the-app' }))
    expect(received[0]!.headers.authorization).toBe('Bearer of-the-app')
  })

  test('a page of another site cannot open a WebSocket in their name', async () => {
    const page = { origin: 'https://evil.example', connection: 'upgrade', upgrade: 'websocket' }
    const socket = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' }
    const answer = await browse(worker.url, {
      headers: { ...(await asserted('brian@example.com')), ...page, ...socket },
    })
    expect(answer.status).toBe(403)
    expect(received).toHaveLength(0)
  })

  test('says who they are and until when, and signing out is Access’s to do', async () => {
    const session = await (await ask(await asserted('brian@example.com'), '/_mux/session')).json()
    expect(session).toMatchObject({ user: 'brian@example.com', instance: 'django1' })
    expect(Date.parse((session as { until: string }).until)).toBeGreaterThan(Date.now())
    const headers = await asserted('brian@example.com', { origin: new URL(worker.url).origin })
    const answer = await browse(`${worker.url}/_mux/signout`, { method: 'POST', headers })
    expect([answer.status, answer.headers.location]).toEqual([303, '/cdn-cgi/access/logout'])
  })

  test('keys that cannot be had are 503 for those who were not let in before', async () => {
    const other = new KvShim()
    fill(other)
    team.fails = true
    const cold = await start(other, CONFIGURED)
    onTestFinished(() => cold.close())
    const answer = await fetch(cold.url, { headers: await asserted('brian@example.com') })
    expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'access_unavailable' }])
    expect((await ask(await asserted('brian@example.com'))).status).toBe(200)
  })
})

test('where Access is not configured, what it says is nothing, and does not get to the instance', async () => {
  const kv = new KvShim()
  fill(kv)
  const worker = await start(kv, SECRETS)
  onTestFinished(() => worker.close())
  const assertion = { 'cf-access-jwt-assertion': await team.assertion('brian@example.com') }
  const asked = team.asked()
  expect((await fetch(worker.url, { headers: assertion })).status).toBe(401)
  const headers = { ...assertion, Cf_Access_Jwt_Assertion: 'x', authorization: basic('graham', PASSWORD) }
  expect(await (await fetch(worker.url, { headers })).text()).toBe('graham')
  expect(JSON.stringify(received[0]!.rawHeaders)).not.toMatch(/cf[-_]access/i)
  expect(team.asked()).toBe(asked)
})

test.each([
  ['ACCESS_AUD', { ...SECRETS, ACCESS_TEAM: TEAM }],
  ['ACCESS_TEAM', { ...SECRETS, ACCESS_AUD: AUDIENCE }],
  ['ACCESS_TEAM', { ...SECRETS, ACCESS_TEAM: 'evil.example/', ACCESS_AUD: AUDIENCE }],
  ['HOST_ACCESS_CLIENT_SECRET', { ...SECRETS, HOST_ACCESS_CLIENT_ID: 'x' }],
])('half a configuration serves nobody, and the log names %s', async (name, texts) => {
  const worker = await start(new KvShim(), texts)
  onTestFinished(() => worker.close())
  expect((await fetch(worker.url)).status).toBe(500)
  await expect.poll(() => worker.log.join('\n')).toContain(name)
})

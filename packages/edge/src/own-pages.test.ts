import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { browse, type Browsed, sendRaw, statuses } from './fixtures/raw-client.ts'

let under: EdgeUnderTest
beforeEach(async () => {
  under = await startEdge()
  under.registry.addUser('graham', 'django1')
  under.registry.addUser('brian', 'django2')
})
afterEach(() => under.edge.close(0))

const CREDENTIALS = { username: 'graham', password: PASSWORD }

function signIn(form: Record<string, string>, headers: Record<string, string> = {}): Promise<Browsed> {
  return browse(`${under.url}/_mux/signin`, { form, headers })
}
function cookieOf(answer: Browsed): string {
  return answer.headers['set-cookie']![0]!.split(';')[0]!
}
async function sessionOf(cookie: string): Promise<Response> {
  return fetch(`${under.url}/_mux/session`, { headers: { cookie } })
}

describe('signing in', () => {
  test('leads back to where one was going, with a cookie that only this host gets', async () => {
    const answer = await signIn({ ...CREDENTIALS, next: '/notes?a=b' })
    expect(answer.status).toBe(303)
    expect(answer.headers.location).toBe('/notes?a=b')
    expect(answer.headers['cache-control']).toBe('no-store')
    const [cookie] = answer.headers['set-cookie']!
    for (const attribute of ['Path=/', 'Secure', 'HttpOnly', 'SameSite=Lax'])
      expect(cookie).toContain(`; ${attribute}`)
    expect(cookie).toMatch(/^__Host-mux=v1\./)
    expect(cookie).not.toContain('Domain')

    const session = await sessionOf(cookieOf(answer))
    expect(session.headers.get('cache-control')).toBe('no-store')
    expect(await session.json()).toEqual({
      user: 'graham',
      instance: 'django1',
      until: '2026-11-29T00:00:00.000Z',
    })
  })

  test('takes a name in any spelling that is the same person', async () => {
    const cookie = cookieOf(await signIn({ ...CREDENTIALS, username: ' GRAHAM ' }))
    expect(await (await sessionOf(cookie)).json()).toMatchObject({ user: 'graham' })
  })

  test('makes a new session each time', async () => {
    const [one, two] = [await signIn(CREDENTIALS), await signIn(CREDENTIALS)]
    expect(cookieOf(one)).not.toBe(cookieOf(two))
  })

  test.each([
    ['an unknown user', { username: 'nobody', password: PASSWORD }],
    ['a wrong password', { username: 'graham', password: 'wrong' }],
    ['no password', { username: 'graham' }],
    ['nothing', {}],
    ['too long a password', { username: 'graham', password: 'x'.repeat(2000) }],
  ])('fails with %s on the same page, with the same words', async (_title, form) => {
    const answer = await signIn({ ...form, next: '/notes' })
    expect(answer.status).toBe(401)
    expect(answer.headers['set-cookie']).toBeUndefined()
    // A scheme that browsers know would open a window of their own.
    expect(answer.headers['www-authenticate']).not.toMatch(/basic/i)
    expect(answer.text).toContain('That user name and password do not go together.')
    expect(answer.text).toContain('name="next" value="/notes"')
    expect(answer.text).not.toContain(PASSWORD)
  })

  test('is slowed down after many failures', async () => {
    for (let i = 0; i < 10; i++) await signIn({ ...CREDENTIALS, password: `wrong${i}` })
    const answer = await signIn(CREDENTIALS)
    expect(answer.status).toBe(429)
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(answer.text).toContain('Too many attempts to sign in.')
  })

  test.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['the null origin', { origin: 'null' }],
    ['a sibling site', { 'sec-fetch-site': 'same-site' }],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['nowhere that can be told', { origin: '' }],
  ])('is refused for a form from %s', async (_title, headers) => {
    const answer = await signIn(CREDENTIALS, headers)
    expect(answer.status).toBe(403)
    expect(answer.headers['set-cookie']).toBeUndefined()
  })

  test.each([
    ['text/plain', 400],
    ['multipart/form-data; boundary=x', 400],
    ['application/json', 400],
  ])('is refused for a body of %s', async (type, status) => {
    expect((await signIn(CREDENTIALS, { 'content-type': type })).status).toBe(status)
  })

  test('is refused for a body that is too large, with a length or in chunks', async () => {
    expect((await signIn({ ...CREDENTIALS, more: 'x'.repeat(20_000) })).status).toBe(413)
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    const head = [
      'POST /_mux/signin HTTP/1.1',
      'Host: mux.example',
      'Sec-Fetch-Site: same-origin',
      'Content-Type: application/x-www-form-urlencoded',
      'Transfer-Encoding: chunked',
      'Connection: close',
    ]
    const received = await sendRaw(under.port, `${head.join('\r\n')}\r\n\r\n${chunk}${chunk}0\r\n\r\n`)
    expect(statuses(received)).toEqual([413])
  })

  test('asks a client for the form that waits to be asked', async () => {
    const body = new URLSearchParams(CREDENTIALS).toString()
    const head = [
      'POST /_mux/signin HTTP/1.1',
      'Host: mux.example',
      'Sec-Fetch-Site: same-origin',
      'Content-Type: application/x-www-form-urlencoded',
      'Expect: 100-continue',
      `Content-Length: ${body.length}`,
      'Connection: close',
    ]
    expect(statuses(await sendRaw(under.port, `${head.join('\r\n')}\r\n\r\n${body}`))).toEqual([100, 303])
  })
})

describe('the sign-in page', () => {
  test('is a form that password managers and keyboards know, and nothing else', async () => {
    const { status, headers, text } = await browse(`${under.url}/_mux/signin?next=%2Fnotes%3Fa%3Db`)
    expect(status).toBe(200)
    expect(headers['cache-control']).toBe('no-store')
    expect(headers['x-request-id']).toBeDefined()
    expect(text).toContain('autocomplete="username"')
    expect(text).toContain('autocomplete="current-password"')
    expect(text).toContain('name="next" value="/notes?a=b"')
    expect(text).not.toMatch(/<script|<img|<link|https?:|\son[a-z]+=/i)
  })

  test.each([
    '"><script>alert(1)</script>',
    "' onfocus=alert(1) x='",
    '//evil.example',
    'javascript:alert(1)',
    '</title><svg/onload=alert(1)>',
  ])('shows nothing of a way back like %s', async (next) => {
    const { text } = await browse(`${under.url}/_mux/signin?next=${encodeURIComponent(next)}`)
    expect(text).toContain('name="next" value="/"')
    expect(text).not.toMatch(/alert|evil/)
  })

  test('shows a name that was typed as text', async () => {
    const { text } = await signIn({ username: '"><script>alert(1)</script>', password: 'x' })
    expect(text).toContain('value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"')
  })

  test('says who is signed in already, and offers to sign out', async () => {
    const cookie = cookieOf(await signIn(CREDENTIALS))
    const { text } = await browse(`${under.url}/_mux/signin?next=/notes`, { headers: { cookie } })
    expect(text).toContain('You are signed in as graham')
    expect(text).toContain('href="/notes"')
    expect(text).toContain('action="/_mux/signout"')
  })
})

describe('a session', () => {
  test('opens the instance, and ends with the epoch of the record that it was made in', async () => {
    const cookie = cookieOf(await signIn(CREDENTIALS))
    expect((await browse(under.url, { headers: { cookie } })).status).toBe(200)
    // A move, before which it was made; one that is made after it is as good by the record of before, wherever that still is.
    under.registry.addUser('graham', 'django1', { version: 6, epoch: 5 })
    expect((await browse(under.url, { headers: { cookie } })).status).toBe(200)
    const after = cookieOf(await signIn(CREDENTIALS))
    under.registry.addUser('graham', 'django1', { version: 5 })
    expect((await browse(under.url, { headers: { cookie: after } })).status).toBe(200)
    under.registry.addUser('graham', 'django1', { version: 7 })
    const { status, headers } = await browse(under.url, { headers: { cookie } })
    expect(status).toBe(303)
    expect(headers.location).toBe('/_mux/signin?next=%2F')
  })

  test.each([
    ['is disabled', () => under.registry.addUser('graham', 'django1', { disabled: true })],
    ['is gone', () => under.registry.remove('user', 'graham')],
  ])('is over at once when the user %s', async (_title, happen) => {
    const cookie = cookieOf(await signIn(CREDENTIALS))
    happen()
    expect((await sessionOf(cookie)).status).toBe(401)
    expect((await fetch(under.url, { headers: { cookie } })).status).toBe(401)
  })

  test('is over after a week without a request, and not while there is one a day', async () => {
    const unused = cookieOf(await signIn(CREDENTIALS))
    let used = cookieOf(await signIn(CREDENTIALS))
    for (let day = 0; day < 7; day += 1) {
      under.clock.now += 86_400_000
      used = cookieOf(await browse(under.url, { headers: { cookie: used } }))
    }
    expect((await sessionOf(used)).status).toBe(200)
    expect((await sessionOf(unused)).status).toBe(401)
  })

  test('is made known to the browser anew by an answer that no cache hands on', async () => {
    const cookie = cookieOf(await signIn(CREDENTIALS))
    const soon = await browse(under.url, { headers: { cookie } })
    expect(soon.headers['set-cookie']).toBeUndefined()
    under.clock.now += 3_600_000
    const later = await browse(under.url, { headers: { cookie } })
    expect(later.headers['set-cookie']).toEqual([expect.stringMatching(/^__Host-mux=v1\..*; HttpOnly/)])
    expect(later.headers['cache-control']).toBe('private')
  })

  test('that was signed out is over for every copy of its cookie, renewed or not', async () => {
    const cookie = cookieOf(await signIn(CREDENTIALS))
    under.clock.now += 3_600_000
    const renewed = cookieOf(await browse(under.url, { headers: { cookie } }))
    const other = cookieOf(await signIn(CREDENTIALS))
    await browse(`${under.url}/_mux/signout`, { form: {}, headers: { cookie: renewed } })
    expect((await sessionOf(cookie)).status).toBe(401)
    expect((await sessionOf(renewed)).status).toBe(401)
    expect((await sessionOf(other)).status).toBe(200)
  })

  test('of somebody else has the browser forget what it has of them, also when it is over', async () => {
    const first = cookieOf(await signIn(CREDENTIALS))
    under.clock.now += 8 * 86_400_000
    const cookie = `csrftoken=a; ${first}; mux~django1~graham~sessionid=s`
    const brian = { username: 'brian', password: PASSWORD, next: '/notes' }
    const cleared = await signIn(brian, { cookie })
    expect(cleared.status).toBe(307)
    expect(cleared.headers['clear-site-data']).toBe('"cache", "cookies", "storage"')
    const { location } = cleared.headers

    // With what it sends then, whether it has cleared anything or not; and at once, where it is no browser.
    for (const { path, sent, mode } of [
      { path: location!, sent: cookie, mode: 'navigate' },
      { path: location!, sent: cookie.replace(first, cookieOf(cleared)), mode: 'navigate' },
      { path: '/_mux/signin', sent: cookie, mode: 'cors' },
    ]) {
      const { status, headers } = await browse(under.url + path, {
        form: brian,
        headers: { cookie: sent, 'sec-fetch-mode': mode },
      })
      expect([status, headers.location]).toEqual([303, '/notes'])
      expect(headers['clear-site-data']).toBe('"cache", "storage"')
      expect(headers['set-cookie']).toEqual([
        expect.stringMatching(/^__Host-mux=v1\./),
        'csrftoken=; Max-Age=0; Path=/; Secure',
        'mux~django1~graham~sessionid=; Max-Age=0; Path=/; Secure',
      ])
    }
    const again = await signIn(CREDENTIALS, { cookie })
    expect(again.headers['clear-site-data']).toBeUndefined()
    expect(again.headers['set-cookie']).toHaveLength(1)
  })

  test('is over when its browser signs in again', async () => {
    const first = cookieOf(await signIn(CREDENTIALS))
    const second = cookieOf(await signIn(CREDENTIALS, { cookie: first }))
    expect((await sessionOf(first)).status).toBe(401)
    expect((await sessionOf(second)).status).toBe(200)
  })

  test('belongs to one person, also beside the credentials of another', async () => {
    const cookie = cookieOf(await signIn(CREDENTIALS))
    const headers = { cookie, authorization: basic('brian', PASSWORD) }
    expect(await (await fetch(`${under.url}/_mux/session`, { headers })).json()).toEqual({
      user: 'brian',
      instance: 'django2',
      until: null,
    })
  })

  test('names no instance when there is none', async () => {
    under.registry.addUser('eric', null)
    const headers = { authorization: basic('eric', PASSWORD) }
    expect(await (await fetch(`${under.url}/_mux/session`, { headers })).json()).toMatchObject({
      instance: null,
    })
  })
})

describe('signing out', () => {
  test('ends the session in the browser and leads to the sign-in page', async () => {
    const cookie = cookieOf(await signIn(CREDENTIALS))
    const answer = await browse(`${under.url}/_mux/signout`, { form: {}, headers: { cookie } })
    expect(answer.status).toBe(303)
    expect(answer.headers.location).toBe('/_mux/signin')
    expect(answer.headers['set-cookie']![0]).toMatch(/^__Host-mux=; Max-Age=0; Path=\/; Secure/)
  })

  test('is refused for a form from another site', async () => {
    const headers = { origin: 'https://evil.example' }
    const answer = await browse(`${under.url}/_mux/signout`, { form: {}, headers })
    expect(answer.status).toBe(403)
    expect(answer.headers['set-cookie']).toBeUndefined()
  })
})

describe('what is under /_mux/', () => {
  test.each([
    ['/_mux/signin', 'PUT', 'GET, HEAD, POST'],
    ['/_mux/signout', 'GET', 'POST'],
    ['/_mux/session', 'POST', 'GET, HEAD'],
    ['/_mux/health', 'DELETE', 'GET, HEAD'],
    ['/_mux/health', 'OPTIONS', 'GET, HEAD'],
  ])('%s does not take %s, and says what it takes', async (path, method, allow) => {
    const answer = await fetch(under.url + path, { method })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe(allow)
    expect(await answer.json()).toMatchObject({ code: 'method_not_allowed' })
  })

  test.each([
    '/_mux',
    '/_mux/',
    '/_mux/nothing',
    '/_mux/signin/',
    '/_mux//signin',
    '/_mux/%73ignin',
    '/_mux?x',
    '/_mux/../x',
  ])('never reaches an instance: %s', async (path) => {
    const text = `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${basic('graham', PASSWORD)}\r\nConnection: close\r\n\r\n`
    expect(statuses(await sendRaw(under.port, text))).toEqual([404])
    expect(under.host.orders).toEqual([])
  })

  test('health needs nobody', async () => {
    const answer = await fetch(`${under.url}/_mux/health`)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ status: 'ok' })
    expect((await fetch(`${under.url}/_mux/health`, { method: 'HEAD' })).status).toBe(200)
  })
})

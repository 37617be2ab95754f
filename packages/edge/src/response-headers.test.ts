import { parseInstanceName, parseUserName } from '@mux/contract'
import { expect, test } from 'vitest'
import { SHARED_COOKIES } from './cookie-rules.ts'
import { CookieScope } from './cookie-scope.ts'
import { responseHeaders } from './response-headers.ts'

const FACTS = {
  requestId: 'id-1',
  signedIn: false,
  cookies: SHARED_COOKIES,
  sentCookies: [],
  renewal: undefined,
}
const ID = ['X-Request-Id', 'id-1']

test('the answer of an instance passes unchanged: order, duplicates, case and bytes', () => {
  const raw = [
    'Set-Cookie',
    'a=1; Path=/domain; SameSite=Lax',
    'content-type',
    'text/html',
    'Set-Cookie',
    'b=2',
    'X-Raw',
    '\u00e9',
    'ETag',
    '',
  ]
  expect(responseHeaders(raw, FACTS)).toEqual([...raw, ...ID])
})

test('what concerns the connection to the instance stays there', () => {
  const raw = [
    'Connection',
    'close, X-Hop',
    'Keep-Alive',
    'timeout=5',
    'Transfer-Encoding',
    'chunked',
    'X-Hop',
    '1',
    'Trailer',
    'X',
  ]
  expect(responseHeaders(raw, FACTS)).toEqual(ID)
})

test('an instance says nothing in our name', () => {
  const raw = ['Mux-Problem', 'internal', 'mux_user', 'x', 'X-Request-ID', 'mine', 'x_request_id', 'mine']
  expect(responseHeaders(raw, FACTS)).toEqual(ID)
})

test.each([
  '__Host-mux=x; Path=/; Secure',
  '__Host-mux=',
  'CF_Authorization=eyJ; HttpOnly',
  'cf_appsession=x',
  '__Host-mux',
  ' \t__Host-mux =x',
  '__host-MUX=x',
  '=__Host-mux=x',
  ' = __Host-mux',
])('an instance cannot set or end our session by Set-Cookie: %j', (value) => {
  expect(responseHeaders(['Set-Cookie', value, 'Set-Cookie', '__Host-muxer=1'], FACTS)).toEqual([
    'Set-Cookie',
    '__Host-muxer=1',
    ...ID,
  ])
})

test.each([
  ['a=1; Domain=example.com; Path=/', 'a=1; Path=/'],
  ['a=1;domain = .example.com', 'a=1'],
  ['a=1; DOMAIN', 'a=1'],
  ['a=1; Domain=a; Secure; Domain=b', 'a=1; Secure'],
  ['a=1; domains=x', 'a=1; domains=x'],
  ['domain=1; Path=/', 'domain=1; Path=/'],
])('a cookie of an instance stays at this host: %j', (value, kept) => {
  expect(responseHeaders(['Set-Cookie', value], FACTS)).toEqual(['Set-Cookie', kept, ...ID])
})

test('an answer for somebody is kept from the caches that others share, in every way to say it', () => {
  const raw = ['Cache-Control', 'public', 'ETag', '"1"', 'cache-control', 's-maxage=60, max-age=60']
  const more = [
    'CDN-Cache-Control',
    'max-age=9',
    'Cloudflare-CDN-Cache-Control',
    'max-age=9',
    'Surrogate-Control',
    'x',
    'X-Accel-Expires',
    '60',
    'Edge-Control',
    'cache-maxage=60',
  ]
  const kept = ['ETag', '"1"', 'Cache-Control', 'private, max-age=60']
  expect(responseHeaders([...raw, ...more], { ...FACTS, signedIn: true })).toEqual([...kept, ...ID])
  expect(responseHeaders([...raw, ...more], FACTS)).toEqual([...raw, ...more, ...ID])
})

test.each([
  'Basic realm="app"',
  'basic',
  'Digest realm="a", qop="auth", BASIC realm="b"',
  'Bearer,\tBasic realm="x"',
])('an instance asks for no password that mux would take: %j', (value) => {
  expect(responseHeaders(['WWW-Authenticate', value, 'www-authenticate', 'Bearer'], FACTS)).toEqual([
    'www-authenticate',
    'Bearer',
    ...ID,
  ])
})

test('an instance may ask for credentials that are its own', () => {
  for (const value of ['Digest realm="basic", nonce="x"', 'Bearer realm="a"', 'BasicAuth realm="x"'])
    expect(responseHeaders(['WWW-Authenticate', value], FACTS)).toEqual(['WWW-Authenticate', value, ...ID])
})

test.each([
  ['"cookies"', undefined],
  ['"cache", "cookies", "storage"', '"cache", "storage"'],
  ['"*"', '"cache", "storage"'],
])(
  'an instance that clears %s clears its own cookies, and neither our session nor those of another',
  (value, kept) => {
    const [instance, user] = [parseInstanceName('django1')!, parseUserName('graham')!]
    const sentCookies = ['__Host-mux=v1.x; csrftoken=a; mux~django1~graham~sid=b', 'mux~django2~graham~sid=c']
    const facts = { ...FACTS, sentCookies, cookies: new CookieScope({ instance, user, now: () => 0 }) }
    expect(responseHeaders(['Clear-Site-Data', value], facts)).toEqual([
      ...(kept === undefined ? [] : ['Clear-Site-Data', kept]),
      'Set-Cookie',
      'csrftoken=; Max-Age=0; Path=/; Secure',
      'Set-Cookie',
      'mux~django1~graham~sid=; Max-Age=0; Path=/; Secure',
      ...ID,
    ])
  },
)

test('what an instance has cleared besides cookies passes as it is', () => {
  const raw = ['Clear-Site-Data', '"cache", "executionContexts"']
  expect(responseHeaders(raw, { ...FACTS, sentCookies: ['a=1'] })).toEqual([...raw, ...ID])
})

test('a renewed session is added to what the instance sets', () => {
  const facts = { ...FACTS, signedIn: true, renewal: '__Host-mux=new' }
  expect(responseHeaders(['Set-Cookie', 'a=1', 'Set-Cookie', '__Host-mux=evil'], facts)).toEqual([
    'Set-Cookie',
    'a=1',
    'Cache-Control',
    'private',
    'Set-Cookie',
    '__Host-mux=new',
    ...ID,
  ])
})

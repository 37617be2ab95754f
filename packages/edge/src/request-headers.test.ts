import { SHARED_COOKIES } from './cookie-rules.ts'
import { parseHostName, parseInstanceName, parseUserName } from '@mux/contract'
import { describe, expect, test } from 'vitest'
import { requestHeaders, type InstanceFacts } from './request-headers.ts'

const FACTS: InstanceFacts = {
  decision: {
    user: parseUserName('graham')!,
    instance: parseInstanceName('django1')!,
    host: parseHostName('local')!,
    version: 5,
    requestId: 'id-1',
  },
  identityHeader: 'X-Auth-User',
  keepAuthorization: true,
  cookies: SHARED_COOKIES,
  peer: '192.0.2.7',
  scheme: 'http',
  host: 'mux.example',
}
const OURS = [
  ['Mux-User', 'graham'],
  ['X-Auth-User', 'graham'],
  ['Mux-Instance', 'django1'],
  ['X-Request-Id', 'id-1'],
  ['X-Forwarded-For', '192.0.2.7'],
  ['X-Forwarded-Proto', 'http'],
  ['X-Forwarded-Host', 'mux.example'],
]

function pairs(raw: readonly string[]): string[][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i]!, raw[2 * i + 1]!])
}
/** What the instance receives besides what is ours. */
function passed(raw: string[], facts: Partial<InstanceFacts> = {}): string[][] {
  return pairs(requestHeaders(raw, { ...FACTS, ...facts })).filter(
    (pair) => !OURS.some(([name]) => name === pair[0]),
  )
}

/** Every way to write a name with dashes or other signs between its words, in three cases. */
function spellings(name: string): string[] {
  const words = name.split('-')
  let all = [words[0]!]
  for (const word of words.slice(1)) {
    all = all.flatMap((start) => ['-', '_', '.', '~'].map((sign) => start + sign + word))
  }
  return all.flatMap((text) => [text, text.toUpperCase(), text[0]!.toUpperCase() + text.slice(1)])
}

describe('what comes from outside and could be taken for ours', () => {
  test.each([
    'mux-user',
    'mux-instance',
    'mux-version',
    'mux-anything-else',
    'x-auth-user',
    'x-remote-user',
    'remote-user',
    'x-request-id',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'x-forwarded-port',
    'x-forwarded-prefix',
    'x-forwarded-user',
    'x-forwarded',
    'forwarded',
    'forwarded-for',
    'x-remote-addr',
    'wl-proxy-client-ip',
    'x-host',
    'x-real-ip',
    'client-ip',
    'true-client-ip',
    'cf-connecting-ip',
    'x-original-url',
    'x-rewrite-url',
    'script-name',
    'path-info',
    'remote-addr',
    'x-sendfile-type',
    'proxy',
    'signature',
    'signature-input',
    'transfer-encoding',
    'content-length',
    'proxy-authorization',
    'keep-alive',
    'te',
    'expect',
  ])('%s is dropped in every spelling', (name) => {
    const raw = spellings(name).flatMap((spelling) => [spelling, 'admin'])
    expect(pairs(requestHeaders(raw, FACTS))).toEqual(OURS)
  })

  test.each(['content_type', 'X', 'sec_websocket_key'])('%s is dropped only in a disguise', (name) => {
    expect(passed([name, '1', name.replaceAll('_', '-'), '2'])).toContainEqual([
      name.replaceAll('_', '-'),
      '2',
    ])
    expect(passed([name, '1'])).toEqual(name === 'X' ? [['X', '1']] : [])
  })

  test('each of ours stands there once, with our value, though it came forty times', () => {
    const raw = Array.from({ length: 40 }, () => ['Mux-User', 'alice,admin', 'X-Auth-User', 'admin']).flat()
    expect(pairs(requestHeaders(raw, FACTS))).toEqual(OURS)
  })

  test('a public route has no user, and not an empty one', () => {
    const decision = { ...FACTS.decision, user: undefined, version: 0 }
    const list = pairs(requestHeaders(['X-Auth-User', 'admin', 'Mux-User', 'admin'], { ...FACTS, decision }))
    expect(list.map(([name]) => name)).toEqual([
      'Mux-Instance',
      'X-Request-Id',
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Forwarded-Host',
    ])
  })
})

describe('what concerns the connection', () => {
  test('the headers that Connection nominates are dropped, with Connection itself', () => {
    expect(
      passed(['Connection', 'close, X-Foo', 'connection', 'Mux-User', 'X-Foo', '1', 'X-Bar', '2']),
    ).toEqual([['X-Bar', '2']])
  })

  test('the host by which the request was routed is the one in Host', () => {
    expect(passed(['host', 'internal:8080'], { host: 'mux.example' })).toEqual([['host', 'mux.example']])
  })

  test('nominating one of ours does not take it away', () => {
    const raw = ['Connection', 'mux-user, x-auth-user, x-request-id, x-forwarded-for']
    expect(pairs(requestHeaders(raw, FACTS))).toEqual(OURS)
  })

  test('nominating Host or Cookie does not take it away', () => {
    expect(passed(['Host', 'mux.example', 'Connection', 'host, cookie', 'Cookie', 'a=1'])).toEqual([
      ['Host', 'mux.example'],
      ['Cookie', 'a=1'],
    ])
  })

  test('an upgrade is for the next hop to ask for again', () => {
    const raw = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Key', 'k']
    expect(passed(raw)).toEqual([['Sec-WebSocket-Key', 'k']])
  })
})

describe('what is the application’s', () => {
  test('passes unchanged: order, duplicates, case and bytes', () => {
    const raw = [
      'host',
      'mux.example',
      'X-A',
      '1',
      'x-a',
      '2',
      'Access_Token',
      't',
      'X-Raw',
      '\u00c3\u00a9',
      'X-A',
      '',
    ]
    expect(passed(raw)).toEqual(pairs(raw))
  })

  test('its cookies pass, and ours do not', () => {
    expect(
      passed(['Cookie', 'a=1; __Host-mux=v1.x; b="2"', 'Cookie', '__Host-mux=y', 'Cookie', 'c=3']),
    ).toEqual([
      ['Cookie', 'a=1; b="2"'],
      ['Cookie', 'c=3'],
    ])
  })

  test('Authorization passes unless it was used up', () => {
    const raw = ['Authorization', 'Negotiate abc']
    expect(passed(raw)).toEqual([raw])
    expect(passed(raw, { keepAuthorization: false })).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import {
  bodyFraming,
  endToEnd,
  firstHeader,
  isOpenEnded,
  lengthAllowedBy,
  passingTrailers,
  trustedNames,
} from './headers.ts'

it.each([
  [['Content-Type', 'text/event-stream'], true],
  [['X', 'a', 'content-type', 'Text/Event-Stream;charset=utf-8'], true],
  [['Content-Type', 'text/event-stream', 'content-length', '9'], false],
  [['Content-Type', 'text/event-streams'], false],
  [['Content-Type', 'text/html'], false],
  [[], false],
])('an answer with %j may end anywhere: %s', (headers, openEnded) => {
  expect(isOpenEnded(headers)).toBe(openEnded)
})

describe('the framing of a body', () => {
  const none = { length: undefined, chunked: false, expectsContinue: false }
  it.each([
    [['Host', 'a'], none],
    [['content-LENGTH', '5'], { ...none, length: '5' }],
    [['Transfer-Encoding', 'Chunked'], { ...none, chunked: true }],
    [
      ['Expect', '100-Continue', 'Content-Length', '5'],
      { length: '5', chunked: false, expectsContinue: true },
    ],
    [['Expect', 'other'], none],
    [['Content-Length', '5', 'Content-Length', '5'], undefined],
    [['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], undefined],
    [['Transfer-Encoding', 'gzip, chunked'], undefined],
    [['Transfer-Encoding', 'identity'], undefined],
    [['Transfer-Encoding', 'chunked', 'Content-Length', '5'], undefined],
  ])('of %j is %j', (rawHeaders, expected) => {
    expect(bodyFraming(rawHeaders)).toEqual(expected)
  })
})

describe('a trusted name', () => {
  const isTrusted = trustedNames('X-Auth-User')
  it.each([
    ['mux_user', true],
    ['x_auth-USER', true],
    ['X-Remote-User', true],
    ['X-Auth-Users', false],
  ])('%s: %s', (name, expected) => {
    expect(isTrusted(name)).toBe(expected)
  })

  const HEADERS = ['Connection', 'close, x-nominated', 'X-Sum', '0']
  it.each([
    'Host',
    'cookie',
    'Cache-Control',
    'Content-Length',
    'Transfer_Encoding',
    'Trailer',
    'Connection',
    'X-Nominated',
    'Mux-User',
  ])('and what frames, routes, authenticates or keeps private does not trail: %s', (name) => {
    expect(passingTrailers([name, 'x', 'X-Sum', '1', 'X-Sum', '2'], HEADERS, isTrusted)).toEqual([
      ['X-Sum', '1'],
      ['X-Sum', '2'],
    ])
  })
})

it('what concerns one connection stays there, also what is nominated', () => {
  const raw = [
    'Host',
    'a',
    'Connection',
    'close, X-Foo',
    'x-foo',
    '1',
    'TE',
    'gzip',
    'Keep-Alive',
    '5',
    'X-Bar',
    '2',
    'Drop',
    '3',
  ]
  expect(endToEnd(raw, (name) => name === 'Drop')).toEqual(['Host', 'a', 'X-Bar', '2'])
})

it('an answer that has no body by its status has no length either', () => {
  expect(lengthAllowedBy(204, ['Content-Length', '5', 'ETag', 'a'])).toEqual(['ETag', 'a'])
  expect(lengthAllowedBy(304, ['Content-Length', '5'])).toEqual(['Content-Length', '5'])
})

it('a header is found by its name in any case', () => {
  expect(firstHeader(['a', '1', 'ACCEPT', '2', 'Accept', '3'], 'accept')).toBe('2')
  expect(firstHeader(['accept', '1'], 'accepts')).toBeUndefined()
})

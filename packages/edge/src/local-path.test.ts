import { describe, expect, test } from 'vitest'
import { isReservedPath, localPath } from './local-path.ts'

const ORIGIN = 'https://mux.example'

describe('where one comes back to after signing in', () => {
  test.each([
    ['/', '/'],
    ['/notes/7?a=b&c=%zz#top', '/notes/7?a=b&c=%zz#top'],
    ['/a%2Fb/%2e%2e%2Fc', '/a%2Fb/%2e%2e%2Fc'],
    ['/\u00fc', '/%C3%BC'],
    ['/?next=//evil.example', '/?next=//evil.example'],
    ['/_muxer', '/_muxer'],
  ])('%j is the path %j', (text, expected) => {
    expect(localPath(text)).toBe(expected)
  })

  const HOSTS = [
    'evil.example',
    'mux.example@evil.example',
    'mux.example.evil.example',
    '[::1]',
    '0x7f.1',
    '%65vil.example',
  ]
  const STARTS = [
    '//',
    '///',
    '/\\',
    '\\\\',
    '\\/',
    '/\t/',
    '/\n/',
    '/\r/',
    '/ /',
    '\t//',
    ' //',
    '/\u0000/',
    '/.//',
    '/..//',
    '/a/..//',
    '/./\\',
    '/%2e//',
    '/.%2e//',
    '/a/%2e%2e//',
    'http://',
    'https://',
    'HTTPS:',
    'https:/',
    'https:///',
    '//\\',
    '/\u007f/',
    'javascript:alert(1)//',
    'data:text/html,',
    '@',
    ':',
    '.',
    '?//',
    '#//',
    '',
    '\u200b//',
    '\ufeff//',
    '/\u2028/',
    '\u3000//',
    '/_mux/../..//',
    '/;//',
    '/?//',
    '/#//',
    '//;@',
    '//?@',
    '//#@',
    'x:/',
    'ftp://',
    '/\\/',
    '/\\\\',
  ]
  const ATTACKS = STARTS.flatMap((start) =>
    HOSTS.flatMap((host) => [`${start}${host}`, `${start}${host}/%2f..`]),
  )

  test(`none of ${ATTACKS.length} strings leads to another origin`, () => {
    for (const attack of ATTACKS) {
      const path = localPath(attack)
      expect(path.startsWith('/'), JSON.stringify(attack)).toBe(true)
      expect(/^\/[/\\]/.test(path), JSON.stringify(attack)).toBe(false)
      expect(new URL(path, ORIGIN).origin, JSON.stringify(attack)).toBe(ORIGIN)
      // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
      expect(path, JSON.stringify(attack)).not.toMatch(/[\x00-\x20\x7f-\uffff]/)
    }
  })

  test.each([
    undefined,
    '',
    '/_mux',
    '/_mux/signin',
    '/_mux/signin?next=/',
    '/a/../_mux/signout',
    `/${'a'.repeat(3000)}`,
  ])('%j is no place to come back to', (text) => {
    expect(localPath(text)).toBe('/')
  })
})

describe('the addresses that mux keeps for itself', () => {
  test.each(['/_mux', '/_mux/', '/_mux/x', '/_mux//'])('%s is one', (path) => {
    expect(isReservedPath(path)).toBe(true)
  })
  test.each(['/', '/_muxer', '/_MUX/', '/_mux%2fsignin', '/%5fmux/', '//_mux/', '/x/../_mux/'])(
    '%s is none',
    (path) => {
      expect(isReservedPath(path)).toBe(false)
    },
  )
})

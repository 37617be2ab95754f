import { expect, it } from 'vitest'
import { foldedName, isHopByHop, isTrustedName, nominatedNames } from './header-names.ts'

it('every spelling that a backend could take for a trusted name folds onto it', () => {
  for (const name of [
    'Mux-User',
    'mux_user',
    'MUX-user',
    'Mux.User',
    'mux~user',
    '_Mux__User',
    'mux-_.user-',
    "'mux-user'",
  ]) {
    expect(foldedName(name)).toBe('mux-user')
  }
  expect(foldedName('Muxuser')).not.toBe('mux-user')
})

it('names nominated by Connection are found whatever their case and spacing', () => {
  expect(nominatedNames(['close, X-Foo', ' ,x-bar,'])).toEqual(new Set(['close', 'x-foo', 'x-bar']))
})

it('hop-by-hop headers are known in every case', () => {
  expect(isHopByHop('Transfer-Encoding')).toBe(true)
  expect(isHopByHop('Content-Length')).toBe(false)
})

it.each([
  ['Mux-User', true],
  ['mux_user', true],
  ['MUX-anything', true],
  ['Mux.User', true],
  ['X-Remote-User', true],
  ['Remote_User', true],
  ['X-Forwarded_Host', true],
  ['Forwarded', true],
  ['SCRIPT_NAME', true],
  ['Client-IP', true],
  ['X-Original-URL', true],
  ['Signature-Input', true],
  ['X-Request-ID', true],
  ['Cf_Access-Jwt.Assertion', true],
  ['CF-Access-Client-Secret', true],
  ['CF-Accessible', false],
  ['Muxer', false],
  ['X-Checksum', false],
  ['X-Forwarder', false],
  ['Signatures', false],
])('%s is believed by instances without proof: %s', (name, expected) => {
  expect(isTrustedName(foldedName(name))).toBe(expected)
})

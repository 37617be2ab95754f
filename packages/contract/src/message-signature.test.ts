import { describe, expect, it } from 'vitest'
import { isFresh, parseSignature, signatureBase, signatureHeaders, splitTarget } from './message-signature.ts'

const components = [
  ['@method', 'POST'],
  ['mux-host', 'east'],
] as const
const parameters = { created: 1_000, expires: 1_060, nonce: 'n'.repeat(22), keyid: 'local' }

it('the signature base has a line for each component, and one that says which they are', () => {
  expect(signatureBase(components, parameters)).toBe(
    [
      '"@method": POST',
      '"mux-host": east',
      `"@signature-params": ("@method" "mux-host");created=1000;expires=1060;nonce="${parameters.nonce}";keyid="local";alg="hmac-sha256"`,
    ].join('\n'),
  )
})

describe('signature headers', () => {
  const signature = 'A'.repeat(43) + '='
  const headers = signatureHeaders(components, parameters, signature)

  it('come back as they were written', () => {
    expect(parseSignature(headers['signature-input']!, headers['signature']!)).toEqual({
      parameters,
      signatureBase64: signature,
    })
  })

  it.each([
    ['another algorithm', (s: string) => s.replace('hmac-sha256', 'none')],
    ['no algorithm', (s: string) => s.replace(';alg="hmac-sha256"', '')],
    ['a path as key id', (s: string) => s.replace('keyid="local"', 'keyid="../../etc/passwd"')],
    ['a fractional time', (s: string) => s.replace('expires=1060', 'expires=1060.5')],
    ['a time in quotes', (s: string) => s.replace('expires=1060', 'expires="1060"')],
    ['a second signature', (s: string) => `${s}, other=()`],
    ['a parameter missing', (s: string) => s.replace(';created=1000', '')],
    ['10 kB of it', (s: string) => s + 'x'.repeat(10_000)],
    ['another label', (s: string) => s.replace('mux=', 'sig1=')],
  ])('with %s are refused', (_, change) => {
    expect(parseSignature(change(headers['signature-input']!), headers['signature']!)).toBeUndefined()
  })
})

describe('a signature', () => {
  it.each([
    [1_000, true],
    [1_030, true],
    [970, true],
    [969, false],
    [1_089, true],
    [1_090, false],
  ])('made at 1000 for 60 s is fresh at %i: %s', (now, fresh) => {
    expect(isFresh(parameters, now)).toBe(fresh)
  })

  it('made for longer than a minute is never fresh', () => {
    expect(isFresh({ ...parameters, expires: 9_999_999 }, 1_000)).toBe(false)
  })
})

it('a target is split at its first question mark, and nothing in it is decoded', () => {
  expect(splitTarget('/a%3Fb?c?d#e')).toEqual({ path: '/a%3Fb', query: '?c?d#e' })
  expect(splitTarget('//evil/%2e%2e')).toEqual({ path: '//evil/%2e%2e', query: '?' })
})

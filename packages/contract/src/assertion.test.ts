import { describe, expect, it } from 'vitest'
import {
  type AssertedRequest,
  isFresh,
  parseSignature,
  signatureBase,
  signatureHeaders,
  signatureParameters,
  splitTarget,
} from './assertion.ts'
import { parseInstanceName, parseUserName } from './names.ts'

const request: AssertedRequest = {
  method: 'GET',
  path: '/a%2Fb',
  query: '?c=d',
  forwardedHost: 'notes.example.com',
  decision: {
    user: parseUserName('brian'),
    instance: parseInstanceName('django2')!,
    version: 7,
    requestId: 'r1',
  },
}
const parameters = { created: 1_000, expires: 1_060, nonce: 'n'.repeat(22), keyid: 'local' }

describe('the signature base', () => {
  it('covers method, path, query, host, user, instance, version and request id, in one order', () => {
    expect(signatureBase(request, parameters)).toBe(
      [
        '"@method": GET',
        '"@path": /a%2Fb',
        '"@query": ?c=d',
        '"x-forwarded-host": notes.example.com',
        '"mux-user": brian',
        '"mux-instance": django2',
        '"mux-version": 7',
        '"x-request-id": r1',
        `"@signature-params": ${signatureParameters(request, parameters)}`,
      ].join('\n'),
    )
  })

  it('leaves the user out when there is none, so that none can be added', () => {
    const anonymous = { ...request, decision: { ...request.decision, user: undefined } }
    expect(signatureBase(anonymous, parameters)).not.toContain('mux-user')
  })
})

describe('signature headers', () => {
  const signature = 'A'.repeat(43) + '='
  const headers = signatureHeaders(request, parameters, signature)

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

describe('an assertion', () => {
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

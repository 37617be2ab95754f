import { webcrypto } from 'node:crypto'
import { HOST_KEY_INFO } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import { signIndependently } from './fixtures/independent-signer.ts'
import { HOST, KEY, NOW, sign, type SignOptions } from './fixtures/signing-edge.ts'
import { verifyAssertion } from './verify-assertion.ts'

const keysOf = (id: string) => (id === 'east' ? [KEY] : [])

function verify(
  headers: Record<string, string>,
  request: { method?: string; target?: string; now?: number; keys?: typeof keysOf } = {},
) {
  const { method = 'GET', target = '/a%2Fb?c=d', now = NOW, keys = keysOf } = request
  return verifyAssertion({ method, target, rawHeaders: Object.entries(headers).flat() }, keys, now)
}

const without = (name: string) => (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name))

describe('a valid assertion', () => {
  it('says who, which instance and which version', () => {
    expect(verify(sign())).toMatchObject({
      decision: { user: 'brian', instance: 'django2', version: 7, requestId: 'r1' },
      forwardedHost: 'notes.example.com',
      expires: NOW + 60,
    })
  })

  it('is one with any of the keys, while the edge changes its own', () => {
    const next = new Uint8Array(32).fill(5)
    const keys = () => [next, KEY]
    expect(verify(sign(), { keys })).toMatchObject({ nonce: expect.any(String) })
    expect(verify(sign({ key: next }), { keys })).toMatchObject({ nonce: expect.any(String) })
    expect(verify(sign({ key: new Uint8Array(32) }), { keys })).toBe('signature')
    expect(verify(sign(), { keys: () => [next] })).toBe('signature')
  })

  it('of a public route names nobody', () => {
    expect(verify(sign({ user: undefined, version: 0 }))).toMatchObject({
      decision: { user: undefined, version: 0 },
    })
  })

  it.each([-30, 0, 30, 89])('is one %i s after it was made', (after) => {
    expect(verify(sign(), { now: NOW + after })).toHaveProperty('decision')
  })

  it('is the one that another implementation of RFC 9421 makes', async () => {
    const headers = {
      'x-forwarded-host': 'notes.example.com',
      'mux-user': 'brian',
      'mux-instance': 'django2',
      'mux-version': '7',
      'x-request-id': 'r1',
    }
    const request = { method: 'GET', target: '/a%2Fb?c=d', headers }
    const fields = ['@method', '@path', '@query', ...Object.keys(headers)]
    const signed = await signIndependently(request, fields, { key: KEY, keyid: 'east' })
    expect(verify(signed)).toMatchObject({ decision: { user: 'brian', version: 7 } })
    const less = await signIndependently(request, fields.slice(1), { key: KEY, keyid: 'east' })
    expect(verify(less)).toBe('signature')
  })

  it('is the one that an edge makes with WebCrypto', async () => {
    const { subtle } = webcrypto
    const master = await subtle.importKey('raw', new Uint8Array(32).fill(7), 'HKDF', false, ['deriveBits'])
    const info = new TextEncoder().encode(`${HOST_KEY_INFO}${HOST}`)
    const derived = await subtle.deriveBits(
      { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info },
      master,
      256,
    )
    expect(Buffer.from(derived).equals(KEY)).toBe(true)
  })
})

describe('no assertion', () => {
  it.each<[string, (headers: Record<string, string>) => Record<string, string>]>([
    ['nothing', () => ({})],
    ['no signature', without('signature')],
    ['no version', without('mux-version')],
    ['a second spelling of a header', (headers) => ({ ...headers, 'Mux-User': 'graham' })],
    [
      'no algorithm',
      (h) => ({ ...h, 'signature-input': h['signature-input']!.replace(';alg="hmac-sha256"', '') }),
    ],
    [
      'another algorithm',
      (h) => ({ ...h, 'signature-input': h['signature-input']!.replace('hmac-sha256', 'none') }),
    ],
    [
      'a path as key id',
      (h) => ({ ...h, 'signature-input': h['signature-input']!.replace('"east"', '"../k"') }),
    ],
    [
      'an unknown key',
      (h) => ({ ...h, 'signature-input': h['signature-input']!.replace('"east"', '"west"') }),
    ],
    [
      'a fractional time',
      (h) => ({ ...h, 'signature-input': h['signature-input']!.replace('60;nonce', '60.5;nonce') }),
    ],
    ['10 kB of it', (h) => ({ ...h, signature: h['signature']! + 'A'.repeat(10_000) })],
    ['an empty signature', (h) => ({ ...h, signature: 'mux=::' })],
    ['another user', (h) => ({ ...h, 'mux-user': 'graham' })],
    ['another spelling of the user', (h) => ({ ...h, 'mux-user': 'Brian' })],
    ['two users', (h) => ({ ...h, 'mux-user': 'brian, graham' })],
    ['no user where one was signed', without('mux-user')],
    ['another instance', (h) => ({ ...h, 'mux-instance': 'django1' })],
    ['another host name', (h) => ({ ...h, 'x-forwarded-host': 'other.example.com' })],
    ['another version', (h) => ({ ...h, 'mux-version': '8' })],
    ['another spelling of the version', (h) => ({ ...h, 'mux-version': '07' })],
    ['another request id', (h) => ({ ...h, 'x-request-id': 'r2' })],
    [
      'a later end',
      (h) => ({
        ...h,
        'signature-input': h['signature-input']!.replace(/expires=\d+/, 'expires=1800000061'),
      }),
    ],
  ])('is %s', (_, change) => {
    expect(verify(change(sign()))).toBeTypeOf('string')
  })

  it('is a user added to a request that was signed for nobody', () => {
    expect(verify({ ...sign({ user: undefined }), 'mux-user': 'graham' })).toBe('signature')
  })

  it.each([
    ['another path', { target: '/a/b?c=d' }],
    ['another query', { target: '/a%2Fb?c=e' }],
    ['no query', { target: '/a%2Fb' }],
    ['the absolute form', { target: 'http://notes.example.com/a%2Fb?c=d' }],
    ['another method', { method: 'POST' }],
  ])('is one made for %s', (_, request) => {
    expect(verify(sign(), request)).toBe('signature')
  })

  it.each<[string, SignOptions, number]>([
    ['the key of another host', { key: new Uint8Array(32) }, 0],
    ['a longer life than allowed', { parameters: { expires: NOW + 600 } }, 0],
    ['a life that ends before it begins', { parameters: { expires: NOW - 1 } }, 0],
    ['a time in the future', { parameters: { created: NOW + 600, expires: NOW + 660 } }, 0],
    ['a time that is over', {}, 600],
  ])('is one with %s', (_, options, after) => {
    expect(verify(sign(options), { now: NOW + after })).toMatch(/^(signature|clock skew)$/)
  })

  it('is one with any single bit of the signature flipped', () => {
    const headers = sign()
    const bytes = Buffer.from(headers['signature']!.slice(5, -1), 'base64')
    for (let bit = 0; bit < 256; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(verify({ ...headers, signature: `mux=:${flipped.toString('base64')}:` })).toBe('signature')
    }
  })
})

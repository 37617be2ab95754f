import { contentDigest, controlKeyId, parseHostName } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import { signIndependently } from './fixtures/independent-signer.ts'
import { HOST, KEY, NOW, sign } from './fixtures/signing-edge.ts'
import { CONTROL_KEY, signControl, type SignControlOptions } from './fixtures/signing-operator.ts'
import { deriveControlKey } from './host-key.ts'
import { verifyControl } from './verify-control.ts'

const WEST = parseHostName('west')!
const OPERATOR = new Uint8Array(32).fill(9)

function verify(
  headers: Record<string, string>,
  request: { method?: string; target?: string; now?: number; keys?: readonly Uint8Array[] } = {},
) {
  const { method = 'POST', target = '/_mux/control', now = NOW, keys = [CONTROL_KEY] } = request
  return verifyControl({ method, target, rawHeaders: Object.entries(headers).flat() }, HOST, keys, now)
}

describe('a valid control signature', () => {
  it('says which body belongs to it', () => {
    expect(verify(signControl({ body: '{}' }))).toEqual({
      sha256: 'RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=',
      nonce: expect.stringMatching(/^[\w-]{22}$/),
      expires: NOW + 60,
    })
  })

  it('is one with any of the keys, while the operator changes theirs', () => {
    const keys = [new Uint8Array(32).fill(5), CONTROL_KEY]
    expect(verify(signControl(), { keys })).toHaveProperty('nonce')
    expect(verify(signControl({ key: keys[0]! }), { keys })).toHaveProperty('nonce')
  })

  it('is the one that another implementation of RFC 9421 makes', async () => {
    const headers = { 'mux-host': 'east', 'content-digest': contentDigest(`${'A'.repeat(43)}=`) }
    const request = { method: 'POST', target: '/_mux/control/command?a=%2F', headers }
    const fields = ['@method', '@path', '@query', 'mux-host', 'content-digest']
    const key = { key: CONTROL_KEY, keyid: controlKeyId(HOST) }
    const signed = await signIndependently(request, fields, key)
    expect(verify(signed, { target: request.target })).toMatchObject({ sha256: `${'A'.repeat(43)}=` })
    const less = await signIndependently(request, fields.slice(0, 4), key)
    expect(verify(less, { target: request.target })).toBe('signature')
  })
})

const without = (name: string) => (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name))

describe('no control signature', () => {
  it.each<[string, (headers: Record<string, string>) => Record<string, string>]>([
    ['nothing', () => ({})],
    ['no signature', without('signature')],
    ['no digest', without('content-digest')],
    ['nobody whom it is for', without('mux-host')],
    ['another digest', (h) => ({ ...h, 'content-digest': contentDigest(`${'A'.repeat(43)}=`) })],
    [
      'a digest of another kind',
      (h) => ({ ...h, 'content-digest': h['content-digest']!.replace('256', '512') }),
    ],
    ['another host', (h) => ({ ...h, 'mux-host': 'west' })],
    ['a header twice, in two spellings', (h) => ({ ...h, 'Mux-Host': 'east' })],
    ['another key id', (h) => ({ ...h, 'signature-input': h['signature-input']!.replace('control:', '') })],
    [
      'a later end',
      (h) => ({ ...h, 'signature-input': h['signature-input']!.replace('60;nonce', '70;nonce') }),
    ],
  ])('is %s', (_, change) => {
    expect(verify(change(signControl()))).toBeTypeOf('string')
  })

  it.each<[string, { target?: string; method?: string }]>([
    ['another path', { target: '/_mux/control/command' }],
    ['a path that some server takes for the same', { target: '//_mux/control' }],
    ['a query', { target: '/_mux/control?a' }],
    ['another method', { method: 'GET' }],
  ])('is one made for %s', (_, request) => {
    expect(verify(signControl(), request)).toBe('signature')
  })

  it.each<[string, SignControlOptions, number]>([
    ['the key of another host', { key: deriveControlKey(OPERATOR, WEST) }, 0],
    ['the key of another host, under its name', { key: deriveControlKey(OPERATOR, WEST), host: WEST }, 0],
    ['the key of the edge', { key: KEY }, 0],
    ['a longer life than allowed', { parameters: { expires: NOW + 600 } }, 0],
    ['a time in the future', { parameters: { created: NOW + 600, expires: NOW + 660 } }, 0],
    ['a time that is over', {}, 600],
  ])('is one with %s', (_, options, after) => {
    expect(verify(signControl(options), { now: NOW + after })).toMatch(
      /^(signature|clock skew|another host)$/,
    )
  })

  it('is an assertion of the edge', () => {
    const target = '/_mux/control'
    expect(verify(sign({ method: 'POST', target }), { target })).toBe('missing')
    const both = { ...signControl(), ...sign({ method: 'POST', target }) }
    expect(verify(both, { target, keys: [KEY] })).toBeTypeOf('string')
  })
})

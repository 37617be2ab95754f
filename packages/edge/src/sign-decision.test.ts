import { createHmac, hkdfSync } from 'node:crypto'
import {
  assertionComponents,
  HOST_KEY_INFO,
  isFresh,
  parseHostName,
  parseInstanceName,
  parseSignature,
  parseUserName,
  signatureBase,
  type AssertedRequest,
} from '@mux/contract'
import { createVerifier, httpbis } from 'http-message-signatures'
import { expect, test } from 'vitest'
import { createDecisionSigner } from './sign-decision.ts'

const MASTER = new Uint8Array(32).map((_byte, at) => at)
const NOW = Date.UTC(2026, 10, 22)
const EAST = parseHostName('east')!
const REQUEST: AssertedRequest = {
  method: 'POST',
  path: '/a%2Fb',
  query: '?c=d',
  forwardedHost: 'mux.example',
  decision: {
    user: parseUserName('brian')!,
    instance: parseInstanceName('django2')!,
    version: 7,
    requestId: 'id-1',
  },
}

/** What a host makes of the headers that holds `key`, by other means than those that signed. */
function verify(headers: Record<string, string>, key: Uint8Array, request = REQUEST): boolean {
  const { parameters, signatureBase64 } = parseSignature(headers['signature-input']!, headers['signature']!)!
  const expected = createHmac('sha256', key)
    .update(signatureBase(assertionComponents(request), parameters))
    .digest('base64')
  return signatureBase64 === expected && isFresh(parameters, NOW / 1000) && parameters.keyid === 'east'
}
function hostKey(host: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', MASTER, '', HOST_KEY_INFO + host, 32))
}

test('a decision is signed for one host and no other', () => {
  const signer = createDecisionSigner(MASTER, () => NOW)
  const headers = signer.sign(REQUEST, EAST)
  expect(verify(headers, hostKey('east'))).toBe(true)
  expect(verify(headers, hostKey('west'))).toBe(false)
})

test('a decision is signed for one request and no other', () => {
  const headers = createDecisionSigner(MASTER, () => NOW).sign(REQUEST, EAST)
  for (const change of [{ method: 'GET' }, { path: '/a/b' }, { query: '?' }, { forwardedHost: 'x' }]) {
    expect(verify(headers, hostKey('east'), { ...REQUEST, ...change })).toBe(false)
  }
})

test('no two signatures carry the same nonce', () => {
  const signer = createDecisionSigner(MASTER, () => NOW)
  const inputs = Array.from({ length: 50 }, () => signer.sign(REQUEST, EAST))
  expect(new Set(inputs.map((headers) => headers['signature-input'])).size).toBe(50)
})

test('another implementation of RFC 9421 verifies the signature', async () => {
  const signed = createDecisionSigner(MASTER, Date.now).sign(REQUEST, EAST)
  const headers = {
    'x-forwarded-host': 'mux.example',
    'mux-user': 'brian',
    'mux-instance': 'django2',
    'mux-version': '7',
    'x-request-id': 'id-1',
  }
  const verifies = (changed: Record<string, string>, url = 'http://east.test/a%2Fb?c=d') =>
    httpbis.verifyMessage(
      {
        keyLookup: ({ keyid }) =>
          Promise.resolve(
            keyid === 'east'
              ? { algs: ['hmac-sha256'], verify: createVerifier(Buffer.from(hostKey('east')), 'hmac-sha256') }
              : null,
          ),
        requiredFields: ['@method', '@path', '@query', ...Object.keys(headers)],
        requiredParams: ['created', 'expires', 'nonce', 'keyid', 'alg'],
      },
      { method: 'POST', url, headers: { ...headers, ...signed, ...changed } },
    )
  expect(await verifies({})).toBe(true)
  expect(await verifies({ 'mux-user': 'graham' })).toBe(false)
  expect(await verifies({}, 'http://east.test/a/b?c=d')).toBe(false)
})

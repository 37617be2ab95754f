import { createHash } from 'node:crypto'
import { parseHostName } from '@mux/contract'
import { deriveControlKey } from '@mux/instance'
import { createVerifier, httpbis } from 'http-message-signatures'
import { expect, it } from 'vitest'
import { signControl } from './control-signer.ts'

const EAST = parseHostName('east')!
const MASTER = new Uint8Array(32).fill(3)
const REQUEST = {
  method: 'POST',
  target: '/_mux/control/command',
  host: EAST,
  sha256: createHash('sha256').update('body').digest('base64'),
}

/** By other means than a host of ours. */
function verifies(
  headers: Record<string, string>,
  { host = 'east', target = REQUEST.target }: { host?: string; target?: string } = {},
) {
  const key = deriveControlKey(MASTER, parseHostName(host)!)
  const verify = createVerifier(Buffer.from(key), 'hmac-sha256')
  return httpbis.verifyMessage(
    {
      keyLookup: ({ keyid }) =>
        Promise.resolve(keyid === 'control:east' ? { algs: ['hmac-sha256'], verify } : null),
      requiredFields: ['@method', '@path', '@query', 'mux-host', 'content-digest'],
      requiredParams: ['created', 'expires', 'nonce', 'keyid', 'alg'],
      maxAge: 60,
    },
    { method: 'POST', url: `https://east.test${target}`, headers },
  )
}

it('another implementation of RFC 9421 verifies what the operator signs, for one host, one path and one body', async () => {
  const headers = signControl(deriveControlKey(MASTER, EAST), REQUEST, Date.now())
  expect(await verifies(headers)).toBe(true)
  expect(await verifies(headers, { host: 'west' })).toBe(false)
  expect(await verifies(headers, { target: '/_mux/control' })).toBe(false)
  expect(await verifies({ ...headers, 'mux-host': 'west' })).toBe(false)
  const other = signControl(
    deriveControlKey(MASTER, EAST),
    { ...REQUEST, sha256: REQUEST.sha256.toLowerCase() },
    0,
  )
  expect(await verifies({ ...headers, 'content-digest': other['content-digest']! })).toBe(false)
})

it('no two signatures carry the same nonce', () => {
  const inputs = Array.from({ length: 50 }, () => signControl(MASTER, REQUEST, 0)['signature-input'])
  expect(new Set(inputs).size).toBe(50)
})

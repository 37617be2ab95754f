import { Buffer } from 'node:buffer'
import { createHmac, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto'
import {
  SIGNATURE_LIFETIME,
  assertionComponents,
  EDGE_ID_INFO,
  HOST_KEY_INFO,
  proofBase,
  signatureBase,
  signatureHeaders,
  type AssertedRequest,
  type SignatureParameters,
  type HostName,
} from '@mux/contract'

const NONCE_BYTES = 16
const KEY_BYTES = 32
const EDGE_ID_BYTES = 12

const utf8 = new TextEncoder()

/** Signs what the edge decided, so that the gateway of one host, and of no other, can verify it. */
export interface DecisionSigner {
  /** What this edge, and no other, calls itself; it tells nothing of the key. */
  readonly edge: string
  /** The signature headers (RFC 9421) of one request. */
  sign(request: AssertedRequest, host: HostName): Record<string, string>
  /** What the host proves itself by (see `PROOF_HEADER`) in its answer to a request that is signed now. */
  proofOf(host: HostName): string
}

/**
 * @param masterKey at least 32 bytes; each host has a key of its own that is derived from it
 * @param now milliseconds since the epoch
 */
export function createDecisionSigner(masterKey: Uint8Array, now: () => number): DecisionSigner {
  const keys = new Map<HostName, KeyObject>()
  /** The latest one of each. */
  const proofs = new Map<HostName, { base: string; proof: string }>()

  function keyOf(host: HostName): KeyObject {
    const known = keys.get(host)
    if (known !== undefined) return known
    const derived = hkdfSync('sha256', masterKey, new Uint8Array(0), HOST_KEY_INFO + host, KEY_BYTES)
    const key = createSecretKey(Buffer.from(derived))
    keys.set(host, key)
    return key
  }

  return {
    edge: Buffer.from(hkdfSync('sha256', masterKey, new Uint8Array(0), EDGE_ID_INFO, EDGE_ID_BYTES)).toString(
      'base64url',
    ),
    sign(request, host) {
      const created = Math.floor(now() / 1000)
      const parameters: SignatureParameters = {
        created,
        expires: created + SIGNATURE_LIFETIME,
        nonce: randomBytes(NONCE_BYTES).toString('base64url'),
        keyid: host,
      }
      const components = assertionComponents(request)
      // As bytes, because workerd takes five times as long for an HMAC of text.
      const base = utf8.encode(signatureBase(components, parameters))
      const signature = createHmac('sha256', keyOf(host)).update(base).digest('base64')
      return signatureHeaders(components, parameters, signature)
    },

    proofOf(host) {
      const base = proofBase(Math.floor(now() / 1000))
      const known = proofs.get(host)
      if (known?.base === base) return known.proof
      const proof = createHmac('sha256', keyOf(host)).update(base).digest('base64')
      proofs.set(host, { base, proof })
      return proof
    },
  }
}

import {
  CONTROL_HEADERS,
  controlComponents,
  controlKeyId,
  type HostName,
  parseContentDigest,
  splitTarget,
} from '@mux/contract'
import {
  keysByName,
  type ReceivedRequest,
  type SignatureRefusal,
  singleHeaders,
  verifySignature,
} from './verify-signature.ts'

/** What the valid signature of an operator says of a request. */
export interface ControlClaim {
  /** SHA-256 that the body has to have, base64. */
  sha256: string
  nonce: string
  /** Seconds since the epoch. */
  expires: number
}

const NAMES = keysByName(CONTROL_HEADERS)

/**
 * Verifies the signature of a request from the operator: of this host, for this host, and for this very request. The body
 * is still to be compared.
 * @param keys the host's control keys, each of which is good
 * @param now seconds since the epoch
 */
export function verifyControl(
  request: ReceivedRequest,
  host: HostName,
  keys: readonly Uint8Array[],
  now: number,
): ControlClaim | SignatureRefusal | 'another host' {
  const found = singleHeaders(request.rawHeaders, NAMES)
  if (found === undefined) return 'repeated'
  const { input, signature, host: audience, digest } = found
  if (input === undefined || signature === undefined || audience === undefined || digest === undefined)
    return 'missing'
  if (audience !== host) return 'another host'
  const sha256 = parseContentDigest(digest)
  if (sha256 === undefined) return 'malformed'
  const controlled = { method: request.method, ...splitTarget(request.target), host, digest }
  const keysOf = (keyid: string) => (keyid === controlKeyId(host) ? keys : [])
  const verified = verifySignature(controlComponents(controlled), { input, signature }, keysOf, now)
  if (typeof verified === 'string') return verified
  return { sha256, nonce: verified.nonce, expires: verified.expires }
}

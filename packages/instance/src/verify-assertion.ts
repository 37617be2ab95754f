import {
  ASSERTION_HEADERS,
  assertionComponents,
  type Decision,
  parseInstanceName,
  parseUserName,
  splitTarget,
} from '@mux/contract'
import { proofOf } from './answer-proof.ts'
import {
  keysByName,
  type ReceivedRequest,
  type SignatureRefusal,
  singleHeaders,
  verifySignature,
} from './verify-signature.ts'

/** What a request's valid assertion says. */
export interface Assertion {
  decision: Omit<Decision, 'host'>
  forwardedHost: string
  nonce: string
  /** Seconds since the epoch. */
  expires: number
  /** The value of `PROOF_HEADER` in every answer to it. */
  proof: string
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/
const VERSION = /^(?:0|[1-9]\d{0,15})$/
const HOST = /^[\x21-\x7e]{1,300}$/
const NAMES = keysByName(ASSERTION_HEADERS)

/**
 * Verifies the signature of a request from the edge. What is signed is rebuilt from the request as it came.
 * @param keys the host's keys of that id, each of which is good
 * @param now seconds since the epoch
 */
export function verifyAssertion(
  request: ReceivedRequest,
  keys: (keyid: string) => readonly Uint8Array[],
  now: number,
): Assertion | SignatureRefusal {
  const found = singleHeaders(request.rawHeaders, NAMES)
  if (found === undefined) return 'repeated'
  const { input, signature, user, instance, version, requestId, forwardedHost } = found
  if (
    input === undefined ||
    signature === undefined ||
    instance === undefined ||
    version === undefined ||
    requestId === undefined ||
    forwardedHost === undefined
  ) {
    return 'missing'
  }
  const userName = user === undefined ? undefined : parseUserName(user)
  const instanceName = parseInstanceName(instance)
  if (instanceName === undefined || userName !== user) return 'malformed'
  if (!VERSION.test(version) || !REQUEST_ID.test(requestId) || !HOST.test(forwardedHost)) return 'malformed'

  const decision = { user: userName, instance: instanceName, version: Number(version), requestId }
  const asserted = { method: request.method, ...splitTarget(request.target), forwardedHost, decision }
  const verified = verifySignature(assertionComponents(asserted), { input, signature }, keys, now)
  if (typeof verified === 'string') return verified
  const { nonce, created, expires, secret } = verified
  return { decision, forwardedHost, nonce, expires, proof: proofOf(secret, created) }
}

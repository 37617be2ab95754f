import { createHmac, timingSafeEqual } from 'node:crypto'
import {
  ASSERTION_HEADERS,
  type Decision,
  isFresh,
  parseInstanceName,
  parseSignature,
  parseUserName,
  signatureBase,
  splitTarget,
} from '@mux/contract'

/** What a request's valid assertion says. */
export interface Assertion {
  decision: Omit<Decision, 'host'>
  forwardedHost: string
  nonce: string
  /** Seconds since the epoch. */
  expires: number
}

/** Why an assertion is none, for the log; to the outside all are one. */
export type AssertionRefusal =
  | 'missing'
  | 'repeated'
  | 'malformed'
  | 'unknown key'
  | 'clock skew'
  | 'signature'

interface ReceivedRequest {
  method: string
  /** Byte for byte as in the request line. */
  target: string
  rawHeaders: readonly string[]
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/
const VERSION = /^(?:0|[1-9]\d{0,15})$/
const HOST = /^[\x21-\x7e]{1,300}$/

/**
 * Verifies the signature (RFC 9421) of a request from the edge. What is signed is rebuilt from the request as it came,
 * never from what the signature claims to cover.
 * @param key the host's key of that id
 * @param now seconds since the epoch
 */
export function verifyAssertion(
  request: ReceivedRequest,
  key: (keyid: string) => Uint8Array | undefined,
  now: number,
): Assertion | AssertionRefusal {
  const found = coveredHeaders(request.rawHeaders)
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
  const parsed = parseSignature(input, signature)
  const userName = user === undefined ? undefined : parseUserName(user)
  const instanceName = parseInstanceName(instance)
  if (!parsed || instanceName === undefined || userName !== user) return 'malformed'
  if (!VERSION.test(version) || !REQUEST_ID.test(requestId) || !HOST.test(forwardedHost)) return 'malformed'

  const { parameters, signatureBase64 } = parsed
  const secret = key(parameters.keyid)
  if (!secret) return 'unknown key'
  const decision = { user: userName, instance: instanceName, version: Number(version), requestId }
  const asserted = { method: request.method, ...splitTarget(request.target), forwardedHost, decision }
  const expected = createHmac('sha256', secret).update(signatureBase(asserted, parameters)).digest()
  if (!timingSafeEqual(expected, Buffer.from(signatureBase64, 'base64'))) return 'signature'
  // Behind the signature: a log that speaks of clocks is then about our own edge's.
  if (!isFresh(parameters, now)) return 'clock skew'
  return { decision, forwardedHost, nonce: parameters.nonce, expires: parameters.expires }
}

type Covered = Partial<Record<keyof typeof ASSERTION_HEADERS, string>>

const KEYS = new Map(
  Object.entries(ASSERTION_HEADERS).map(([key, name]) => [name as string, key as keyof Covered]),
)

/** `undefined` when one of them is there twice: two readers could then read two different requests. */
function coveredHeaders(rawHeaders: readonly string[]): Covered | undefined {
  const found: Covered = {}
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const key = KEYS.get(rawHeaders[at]!.toLowerCase())
    if (key === undefined) continue
    if (found[key] !== undefined) return undefined
    found[key] = rawHeaders[at + 1]!
  }
  return found
}

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
 * @param keys the host's keys of that id, each of which is good
 * @param now seconds since the epoch
 */
export function verifyAssertion(
  request: ReceivedRequest,
  keys: (keyid: string) => readonly Uint8Array[],
  now: number,
): Assertion | AssertionRefusal {
  const found = coveredHeaders(request.rawHeaders)
  if (found === undefined) return 'repeated'
  const { input, signature: signatureHeader, user, instance, version, requestId, forwardedHost } = found
  if (
    input === undefined ||
    signatureHeader === undefined ||
    instance === undefined ||
    version === undefined ||
    requestId === undefined ||
    forwardedHost === undefined
  ) {
    return 'missing'
  }
  const parsed = parseSignature(input, signatureHeader)
  const userName = user === undefined ? undefined : parseUserName(user)
  const instanceName = parseInstanceName(instance)
  if (!parsed || instanceName === undefined || userName !== user) return 'malformed'
  if (!VERSION.test(version) || !REQUEST_ID.test(requestId) || !HOST.test(forwardedHost)) return 'malformed'

  const { parameters, signatureBase64 } = parsed
  const secrets = keys(parameters.keyid)
  if (secrets.length === 0) return 'unknown key'
  const decision = { user: userName, instance: instanceName, version: Number(version), requestId }
  const asserted = { method: request.method, ...splitTarget(request.target), forwardedHost, decision }
  const base = signatureBase(asserted, parameters)
  const signature = Buffer.from(signatureBase64, 'base64')
  const isOf = (secret: Uint8Array) =>
    timingSafeEqual(createHmac('sha256', secret).update(base).digest(), signature)
  if (!secrets.some(isOf)) return 'signature'
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

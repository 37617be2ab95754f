import type { HostName, InstanceName, UserName } from './names.ts'

/**
 * What the edge decided about one request, and what every hop after it may check and refuse: who, which instance,
 * by which version of the user's record.
 */
export interface Decision {
  /** Absent on a public route. */
  user: UserName | undefined
  instance: InstanceName
  /** The host that the decision was made for. */
  host: HostName
  /** Version of the user's record that the decision rests on; 0 on a public route. */
  version: number
  requestId: string
}

/** How long an assertion is valid, in seconds; and how far the clocks of edge and host may differ. */
export const ASSERTION_LIFETIME = 60
export const ASSERTION_SKEW = 30
/** Prefix of the HKDF (RFC 5869) `info` that derives a host's key from the edge's master key: a host can speak only to itself. */
export const HOST_KEY_INFO = 'mux host key v1 '

/** The request headers by which a decision travels from edge to host. */
export const ASSERTION_HEADERS = {
  user: 'mux-user',
  instance: 'mux-instance',
  version: 'mux-version',
  requestId: 'x-request-id',
  forwardedHost: 'x-forwarded-host',
  input: 'signature-input',
  signature: 'signature',
} as const

/** The part of a request that an assertion binds; `path` and `query` byte for byte, as they stand in the request line. */
export interface AssertedRequest {
  method: string
  /** The request target up to `?`. */
  path: string
  /** What follows, including the `?`; `?` alone when there is no query (RFC 9421 section 2.2.7). */
  query: string
  forwardedHost: string
  decision: Omit<Decision, 'host'>
}

export interface AssertionParameters {
  /** Seconds since the epoch. */
  created: number
  expires: number
  /** At least 128 random bits, base64url. */
  nonce: string
  keyid: string
}

/** Splits a request target (`/a?b`) for {@link AssertedRequest}. */
export function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?')
  return mark < 0 ? { path: target, query: '?' } : { path: target.slice(0, mark), query: target.slice(mark) }
}

/**
 * The `Signature-Input` member value that covers a request: its components in one fixed order. A user is covered
 * when there is one, and a host refuses a `Mux-User` header that is not covered.
 */
export function signatureParameters(request: AssertedRequest, parameters: AssertionParameters): string {
  const names = componentsOf(request).map(([name]) => `"${name}"`)
  const { created, expires, nonce, keyid } = parameters
  return `(${names.join(' ')});created=${created};expires=${expires};nonce="${nonce}";keyid="${keyid}";alg="hmac-sha256"`
}

/** The signature base (RFC 9421 section 2.5): the text that the HMAC is taken of, as UTF-8. */
export function signatureBase(request: AssertedRequest, parameters: AssertionParameters): string {
  const lines = componentsOf(request).map(([name, value]) => `"${name}": ${value}`)
  return [...lines, `"@signature-params": ${signatureParameters(request, parameters)}`].join('\n')
}

/** The label of our signature in `Signature-Input` and `Signature` (RFC 9421 section 4). */
const LABEL = 'mux'

/** The two header values for a finished signature. */
export function signatureHeaders(
  request: AssertedRequest,
  parameters: AssertionParameters,
  signatureBase64: string,
): Record<string, string> {
  return {
    [ASSERTION_HEADERS.input]: `${LABEL}=${signatureParameters(request, parameters)}`,
    [ASSERTION_HEADERS.signature]: `${LABEL}=:${signatureBase64}:`,
  }
}

const INPUT =
  /^mux=\("[-@a-z" ]{1,200}"\);created=(\d{1,12});expires=(\d{1,12});nonce="([A-Za-z0-9_-]{16,64})";keyid="([a-z0-9:-]{1,80})";alg="hmac-sha256"$/
const SIGNATURE = /^mux=:([A-Za-z0-9+/]{43}=):$/

/**
 * Reads the two headers back. Deliberately no parser of structured fields (RFC 8941): the one spelling that our edge
 * writes is accepted, and `undefined` is returned for any other. The covered components are not returned, because the
 * verifier builds the base from what it received itself and never from what the header claims.
 */
export function parseSignature(
  input: string,
  signature: string,
): { parameters: AssertionParameters; signatureBase64: string } | undefined {
  const inputMatch = INPUT.exec(input)
  const signatureMatch = SIGNATURE.exec(signature)
  if (!inputMatch || !signatureMatch) return undefined
  const [, created, expires, nonce, keyid] = inputMatch
  return {
    parameters: { created: Number(created), expires: Number(expires), nonce: nonce!, keyid: keyid! },
    signatureBase64: signatureMatch[1]!,
  }
}

/** True while an assertion is inside its window at `now` (seconds); never for one made for longer than allowed. */
export function isFresh({ created, expires }: AssertionParameters, now: number): boolean {
  return (
    expires - created > 0 &&
    expires - created <= ASSERTION_LIFETIME &&
    created <= now + ASSERTION_SKEW &&
    expires > now - ASSERTION_SKEW
  )
}

function componentsOf(request: AssertedRequest): [string, string][] {
  const { decision } = request
  return [
    ['@method', request.method],
    ['@path', request.path],
    ['@query', request.query],
    [ASSERTION_HEADERS.forwardedHost, request.forwardedHost],
    ...(decision.user === undefined ? [] : ([[ASSERTION_HEADERS.user, decision.user]] as [string, string][])),
    [ASSERTION_HEADERS.instance, decision.instance],
    [ASSERTION_HEADERS.version, String(decision.version)],
    [ASSERTION_HEADERS.requestId, decision.requestId],
  ]
}

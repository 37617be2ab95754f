import { type Component, SIGNATURE_HEADERS } from './message-signature.ts'
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

/** Prefix of the HKDF (RFC 5869) `info` that derives a host's key from the edge's master key: a host can speak only to itself. */
export const HOST_KEY_INFO = 'mux host key v1 '

/**
 * The request headers by which a decision travels from edge to host. `version` is also a header of the answer: with a 421,
 * the version of the user's record that the host wants, and without it the host does not have the instance.
 */
export const ASSERTION_HEADERS = {
  user: 'mux-user',
  instance: 'mux-instance',
  version: 'mux-version',
  requestId: 'x-request-id',
  forwardedHost: 'x-forwarded-host',
  ...SIGNATURE_HEADERS,
} as const

/**
 * The header by which an edge knows a request again that it has sent itself (see RFC 8586, whose own header passes on to the
 * application). A host drops it, as all that begins with `Mux-`.
 */
export const EDGE_HEADER = 'mux-edge'
/** The HKDF `info` that derives from the edge's master key what it calls itself there. */
export const EDGE_ID_INFO = 'mux edge id v1'

/**
 * The header of an answer by which a gateway shows that it is the host that was asked: base64 of the HMAC-SHA-256 of
 * {@link proofBase} with the key that the request was signed with. Nobody gets one but who has signed for that host.
 */
export const PROOF_HEADER = 'mux-proof'
/** How long one proof is good, in seconds. */
const PROOF_PERIOD = 60

/**
 * What the proof is over. It is that of all requests of a minute, so that it costs an edge nothing to have it at hand: over each
 * request it would take 4 % of a Worker's time and keep nobody away, since who sees answers on their way ends the TLS of that
 * very host, and could change the body as well.
 * @param created when the request was signed, in seconds since the epoch
 */
export function proofBase(created: number): string {
  return `mux answer v1\n${Math.floor(created / PROOF_PERIOD)}`
}

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

/**
 * What an assertion covers, in one fixed order. A user is covered when there is one, and a host refuses a `Mux-User`
 * header that is not covered.
 */
export function assertionComponents(request: AssertedRequest): Component[] {
  const { decision } = request
  return [
    ['@method', request.method],
    ['@path', request.path],
    ['@query', request.query],
    [ASSERTION_HEADERS.forwardedHost, request.forwardedHost],
    ...(decision.user === undefined ? [] : ([[ASSERTION_HEADERS.user, decision.user]] as Component[])),
    [ASSERTION_HEADERS.instance, decision.instance],
    [ASSERTION_HEADERS.version, String(decision.version)],
    [ASSERTION_HEADERS.requestId, decision.requestId],
  ]
}

/**
 * Every error that mux itself answers a request with: its status and the one public sentence. The sentence never
 * names a path, a secret or a user; the code is what clients and tests may rely on.
 */
export const PROBLEMS = {
  bad_request: { status: 400, title: 'This request cannot be forwarded safely.' },
  unauthenticated: { status: 401, title: 'Sign in to go on.' },
  no_instance: {
    status: 403,
    title: 'You are signed in, but no instance is assigned to you. Ask the operator for one.',
  },
  assertion_invalid: { status: 403, title: 'This host is reached through its edge only.' },
  cross_site: { status: 403, title: 'This was not asked by a page of this site. Open the page again.' },
  not_found: { status: 404, title: 'There is nothing here.' },
  method_not_allowed: { status: 405, title: 'This address does not take that method.' },
  request_timeout: { status: 408, title: 'This request took too long to arrive.' },
  body_too_large: { status: 413, title: 'The body of this request is too large.' },
  target_too_long: { status: 414, title: 'The address of this request is too long.' },
  misdirected: { status: 421, title: 'This request reached a host that does not serve it. Try again.' },
  too_many_requests: {
    status: 429,
    title: 'You have too many requests under way. Wait for some of them to end.',
  },
  rate_limited: { status: 429, title: 'Too many attempts to sign in. Wait a little before the next one.' },
  headers_too_large: { status: 431, title: 'The headers of this request are too large.' },
  internal: { status: 500, title: 'Something went wrong here. It is in the log under this request id.' },
  instance_unreachable: { status: 502, title: 'Your instance ended the exchange before it answered.' },
  instance_starting: { status: 503, title: 'Your instance is starting.' },
  instance_undefined: { status: 503, title: 'Your instance does not exist on any host yet.' },
  instance_stopped: { status: 503, title: 'Your instance is stopped by the operator.' },
  instance_idle: { status: 503, title: 'Your instance is stopped while nobody uses it.' },
  instance_failed: { status: 503, title: 'Your instance does not start. The operator can see why.' },
  instance_busy: { status: 503, title: 'Your instance is at its limit. Try again shortly.' },
  too_many_connections: { status: 503, title: 'Too many connections are open here. Try again shortly.' },
  registry_unavailable: { status: 503, title: 'The list of users cannot be read at the moment. Try again.' },
  access_unavailable: {
    status: 503,
    title: 'Who you are cannot be checked at the moment. Try again shortly.',
  },
  registry_stale: {
    status: 503,
    title: 'A change to your account is still on its way here. Try again shortly.',
  },
  instance_response_timeout: { status: 504, title: 'Your instance did not answer in time.' },
  instance_start_timeout: { status: 504, title: 'Your instance did not become ready in time.' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemCode = keyof typeof PROBLEMS

export interface ProblemOptions {
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  retryAfter?: number
  /** With `misdirected`: the version of the user's record from which on a decision would be good. */
  wantedVersion?: number
  /** A public sentence to add, such as the operator's message; never an internal one. */
  detail?: string
  /** For the log only. */
  cause?: unknown
}

/** Thrown anywhere on a request's path; translated to an answer once, where the answer is written. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly retryAfter: number | undefined
  readonly detail: string | undefined
  readonly wantedVersion: number | undefined

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    super(PROBLEMS[code].title, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retryAfter = options.retryAfter
    this.detail = options.detail
    this.wantedVersion = options.wantedVersion
  }

  get status(): number {
    return PROBLEMS[this.code].status
  }
}

/** The body of an `application/problem+json` answer (RFC 9457), with our `code` and `request_id` as extensions. */
export interface ProblemDocument {
  type: string
  title: string
  status: number
  code: ProblemCode
  request_id: string
  detail?: string
}

export function problemDocument(problem: Problem, requestId: string): ProblemDocument {
  return {
    type: `urn:mux:problem:${problem.code}`,
    title: PROBLEMS[problem.code].title,
    status: problem.status,
    code: problem.code,
    request_id: requestId,
    ...(problem.detail === undefined ? {} : { detail: problem.detail }),
  }
}

/** The headers of any answer that mux itself gives to a problem, whatever the form of its body. */
export function problemHeaders(problem: Problem): Record<string, string> {
  return {
    'Cache-Control': 'no-store',
    ...(problem.retryAfter === undefined ? {} : { 'Retry-After': String(Math.ceil(problem.retryAfter)) }),
    ...(problem.code === 'unauthenticated'
      ? { 'WWW-Authenticate': 'Basic realm="mux", charset="UTF-8"' }
      : {}),
  }
}

/** What Cloudflare's REST API can come to, other than the answer that was asked for. */
export type CloudflareErrorCode =
  /** 401, and what is no token at all. */
  | 'cloudflare_token_refused'
  /** 403: the token is good, and not for this. */
  | 'cloudflare_forbidden'
  /** 404: no such account or namespace. */
  | 'cloudflare_not_found'
  | 'cloudflare_rate_limited'
  /** 5xx, and an answer of 200 that says `success: false`. */
  | 'cloudflare_failed'
  /** No connection, or no answer in time. */
  | 'cloudflare_unreachable'
  /** An answer that breaks off, or is none of this API. */
  | 'cloudflare_garbled'
  /** 413: more than one request may ask for, or bring. */
  | 'cloudflare_too_large'
  /** Any other 4xx: what was sent is at fault, and would be again. */
  | 'cloudflare_refused'

/** What may well be over at the next try. */
const PASSING: ReadonlySet<CloudflareErrorCode> = new Set([
  'cloudflare_rate_limited',
  'cloudflare_failed',
  'cloudflare_unreachable',
  'cloudflare_garbled',
])

/** A call of Cloudflare's REST API that failed. Never says the token, nor what was to be written. */
export class CloudflareError extends Error {
  override readonly name = 'CloudflareError'
  readonly code: CloudflareErrorCode
  /** How long Cloudflare wants to be left alone, in milliseconds; undefined when it did not say. */
  readonly retryAfter: number | undefined
  /** How the API numbers what it refuses for (https://developers.cloudflare.com/api/); undefined when it did not say. */
  readonly number: number | undefined

  constructor(
    code: CloudflareErrorCode,
    message: string,
    options: { retryAfter?: number | undefined; number?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retryAfter = options.retryAfter
    this.number = options.number
  }

  get isPassing(): boolean {
    return PASSING.has(this.code)
  }
}

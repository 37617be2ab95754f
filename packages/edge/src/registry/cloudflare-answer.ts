import { CloudflareError, type CloudflareErrorCode } from './cloudflare-error.ts'

/** The part of an answer that is used; https://developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/ */
export interface CloudflareAnswer {
  result: unknown
  /** Where the next page begins; empty on the last one. */
  cursor: string
}

/** What an answer of HTTP was. */
export interface RawAnswer {
  status: number
  retryAfter: string | null
  body: string
}

interface Envelope {
  success: boolean
  errors?: { code?: unknown; message?: unknown }[]
  result?: unknown
  result_info?: { cursor?: unknown } | null
}

/** The longest remark of Cloudflare that is repeated, in characters. */
const MAX_REMARK = 200
/** `Invalid request headers`: how a token is refused that does not even look like one. */
const INVALID_HEADERS = 6003

/**
 * Reads an answer of Cloudflare's REST API.
 * @param secret what must not be repeated, wherever it stands
 * @throws {CloudflareError}
 */
export function readAnswer({ status, retryAfter, body }: RawAnswer, secret: string): CloudflareAnswer {
  const envelope = parseEnvelope(body)
  const failure = failureOf(status, envelope)
  if (failure !== undefined)
    throw new CloudflareError(failure[0], `${failure[1]}${remark(envelope, secret)}.`, {
      retryAfter: milliseconds(retryAfter),
      number: numberOf(envelope),
    })
  const cursor = envelope?.result_info?.cursor
  return { result: envelope?.result, cursor: typeof cursor === 'string' ? cursor : '' }
}

function failureOf(
  status: number,
  envelope: Envelope | undefined,
): readonly [code: CloudflareErrorCode, what: string] | undefined {
  if (status === 401 || (status === 400 && envelope?.errors?.[0]?.code === INVALID_HEADERS))
    return ['cloudflare_token_refused', 'Cloudflare does not accept this API token']
  if (status === 403) return ['cloudflare_forbidden', 'Cloudflare does not let this API token do that']
  if (status === 404)
    return ['cloudflare_not_found', 'Cloudflare knows no such account, KV namespace or Worker']
  if (status === 413) return ['cloudflare_too_large', 'That was too much for one request to Cloudflare']
  if (status === 429) return ['cloudflare_rate_limited', 'Cloudflare was asked too often']
  if (status === 408 || status >= 500) return ['cloudflare_failed', `Cloudflare failed with status ${status}`]
  if (status >= 300) return ['cloudflare_refused', `Cloudflare refused with status ${status}`]
  if (envelope === undefined)
    return ['cloudflare_garbled', 'The answer of Cloudflare broke off, or was not from its API']
  return envelope.success ? undefined : ['cloudflare_failed', 'Cloudflare says that it did not succeed']
}

function parseEnvelope(body: string): Envelope | undefined {
  try {
    const value: unknown = JSON.parse(body)
    const is = typeof value === 'object' && value !== null && 'success' in value
    return is ? (value as Envelope) : undefined
  } catch {
    return undefined
  }
}

/** What Cloudflare says of it, and its number, by which it can be looked up. */
function remark(envelope: Envelope | undefined, secret: string): string {
  const error = firstError(envelope)
  if (typeof error?.message !== 'string') return ''
  const message = error.message.replaceAll(secret, '[token]').slice(0, MAX_REMARK)
  const number = numberOf(envelope)
  const code = number === undefined ? '' : ` (${number})`
  return `: ${message.replace(/[.\s]+$/, '')}${code}`
}

function numberOf(envelope: Envelope | undefined): number | undefined {
  const code = firstError(envelope)?.code
  return typeof code === 'number' ? code : undefined
}

function firstError(envelope: Envelope | undefined) {
  return Array.isArray(envelope?.errors) ? envelope.errors[0] : undefined
}

/** Seconds, as Cloudflare gives them; a date (RFC 9110 section 10.2.3) is not used there. */
function milliseconds(retryAfter: string | null): number | undefined {
  return retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined
}

import { Buffer } from 'node:buffer'
import { TOKEN_PREFIX, parseToken } from './tokens.ts'
import { trimBlanks } from './trim-blanks.ts'

/** What the `Authorization` headers of one request say. */
export type Credentials =
  | { kind: 'none' }
  | BasicCredentials
  | BearerCredentials
  /** Meant for the instance: another scheme, or a bearer token that is not of mux. */
  | { kind: 'foreign' }
  /** Meant for mux and malformed, or more than one: nobody is signed in by it, and nobody else gets to see it. */
  | { kind: 'invalid' }

/** A user name as it was typed, and a password that stays out of whatever prints the object. */
export class BasicCredentials {
  readonly kind = 'basic'
  readonly user: string
  readonly #password: string
  constructor(user: string, password: string) {
    this.user = user
    this.#password = password
  }

  get password(): string {
    return this.#password
  }
}

/** A well-formed token of mux that stays out of whatever prints the object. */
export class BearerCredentials {
  readonly kind = 'bearer'
  readonly id: string
  readonly #token: string
  constructor(token: string, id: string) {
    this.id = id
    this.#token = token
  }

  get token(): string {
    return this.#token
  }
}

const MAX_USER_BYTES = 256
/** The longest password in bytes of UTF-8, known before anything is hashed. */
export const MAX_PASSWORD_BYTES = 1024
/** Base64 of the longest credential, with its colon. */
const MAX_BASIC = Math.ceil((MAX_USER_BYTES + 1 + MAX_PASSWORD_BYTES) / 3) * 4

/** Scheme and what follows (RFC 9110 section 11.4). */
const AUTHORIZATION = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: +(.*))?$/s
/** A second credential in one line, as some proxies join two lines into one. */
const JOINED = /,[ \t]*(?:basic|bearer)(?:[ \t,]|$)/i
// Control characters as RFC 7617 section 2 forbids them (RFC 5234, CTL).
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\0-\x1f\x7f]/

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads the values of all `Authorization` lines of a request (RFC 7617, RFC 6750).
 * Costs nothing to speak of, however long the values are.
 */
export function parseAuthorization(values: readonly string[]): Credentials {
  if (values.length === 0) return { kind: 'none' }
  if (values.length > 1) return { kind: 'invalid' }
  const value = trimBlanks(values[0]!)
  if (value === '') return { kind: 'foreign' }
  const match = AUTHORIZATION.exec(value)
  if (match === null || JOINED.test(value)) return { kind: 'invalid' }
  const scheme = match[1]!.toLowerCase()
  const rest = match[2] ?? ''
  if (scheme === 'basic') return parseBasic(rest)
  if (scheme === 'bearer') return parseBearer(rest)
  return { kind: 'foreign' }
}

function parseBearer(token: string): Credentials {
  if (!token.startsWith(TOKEN_PREFIX)) return { kind: 'foreign' }
  const parsed = parseToken(token)
  return parsed === undefined ? { kind: 'invalid' } : new BearerCredentials(token, parsed.id)
}

function parseBasic(base64: string): Credentials {
  if (base64.length > MAX_BASIC) return { kind: 'invalid' }
  const bytes = Buffer.from(base64, 'base64')
  // Buffer takes almost anything for base64; only the one right spelling (RFC 4648 section 4) comes back unchanged.
  if (bytes.toString('base64') !== base64) return { kind: 'invalid' }
  const colon = bytes.indexOf(0x3a)
  const passwordBytes = bytes.length - colon - 1
  if (colon < 1 || colon > MAX_USER_BYTES) return { kind: 'invalid' }
  if (passwordBytes < 1 || passwordBytes > MAX_PASSWORD_BYTES) return { kind: 'invalid' }
  const text = decodeText(bytes)
  if (text === undefined) return { kind: 'invalid' }
  const end = text.indexOf(':')
  return new BasicCredentials(text.slice(0, end), text.slice(end + 1))
}

/** Both parts at once: a colon is a byte of its own in UTF-8, and what is whole on either side of it is whole in all. */
function decodeText(bytes: Uint8Array): string | undefined {
  try {
    const text = utf8.decode(bytes)
    return CONTROL.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

import { Buffer } from 'node:buffer'
import { createHmac, createSecretKey, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto'
import { parseUserName, type UserName } from '@mux/contract'
import { trimBlanks } from './trim-blanks.ts'

/** The browser keeps a cookie of this name only if it is Secure, for all paths, and set by this very host (RFC 6265bis). */
export const SESSION_COOKIE = '__Host-mux'
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax'

/** How long a session lasts however much it is used, in seconds: 14 days. */
const LIFETIME = 14 * 24 * 60 * 60
/** How far the clocks of two machines that run the edge may differ, in seconds. */
const SKEW = 60
const MIN_KEY_BYTES = 32
/** Longer than any value that is ever issued. */
const MAX_VALUE = 512

export interface Session {
  user: UserName
  /** The version of the user's record that it was issued under; it is good while the record has the same one. */
  version: number
  /** 128 random bits, base64url. */
  id: string
  /** Seconds since the epoch. */
  issued: number
  expires: number
}

export interface SessionsOptions {
  /** At least 32 bytes each. The first signs; all verify, so that a key can be replaced without signing anybody out. */
  keys: readonly [Uint8Array, ...Uint8Array[]]
  /** Milliseconds since the epoch. */
  now: () => number
  /** Seconds; 14 days if absent. */
  lifetime?: number
}

export interface Sessions {
  issue(of: { user: UserName; version: number }): { value: string; setCookie: string; expires: number }
  /**
   * The session that a `Cookie` header carries, if its signature and its dates are right. Whether the user still has
   * the version is for the caller to compare. Two cookies of our name are none: no browser sends that.
   */
  read(cookieHeader: string | undefined): Session | undefined
  /** The `Set-Cookie` value that ends the session in the browser. */
  clearCookie(): string
}

export function createSessions({ keys, now, lifetime = LIFETIME }: SessionsOptions): Sessions {
  if (keys.some((key) => key.length < MIN_KEY_BYTES)) {
    throw new RangeError(`A session key has at least ${MIN_KEY_BYTES} bytes.`)
  }
  // Once for all: Node spends several times as long on a key of plain bytes as on the HMAC itself.
  const secretKeys = keys.map((key) => createSecretKey(key))
  const seconds = () => Math.floor(now() / 1000)

  return {
    issue({ user, version }) {
      const issued = seconds()
      const expires = issued + lifetime
      const payload = encodePayload({
        user,
        version,
        id: randomBytes(16).toString('base64url'),
        issued,
        expires,
      })
      const value = `${payload}.${sign(payload, secretKeys[0]!)}`
      return { value, setCookie: `${SESSION_COOKIE}=${value}; Max-Age=${lifetime}; ${ATTRIBUTES}`, expires }
    },

    read(cookieHeader) {
      const value = findCookie(cookieHeader)
      if (value === undefined || value.length > MAX_VALUE) return undefined
      const dot = value.lastIndexOf('.')
      if (dot < 0) return undefined
      const payload = value.slice(0, dot)
      const signature = value.slice(dot + 1)
      if (!secretKeys.some((key) => isEqual(signature, sign(payload, key)))) return undefined
      const session = decodePayload(payload)
      if (session === undefined) return undefined
      return session.issued <= seconds() + SKEW && seconds() < session.expires ? session : undefined
    },

    clearCookie: () => `${SESSION_COOKIE}=; Max-Age=0; ${ATTRIBUTES}`,
  }
}

/** A `Cookie` header without our cookie and otherwise byte for byte the same; undefined when nothing is left. */
export function stripSessionCookie(cookieHeader: string): string | undefined {
  if (!cookieHeader.includes(SESSION_COOKIE)) return cookieHeader
  const pairs = cookieHeader.split(';')
  const others = pairs.filter((pair) => nameOf(pair) !== SESSION_COOKIE)
  if (others.length === pairs.length) return cookieHeader
  const rest = others.join(';')
  return trimBlanks(rest) === '' ? undefined : rest.replace(/^[ \t]+/, '')
}

function findCookie(cookieHeader: string | undefined): string | undefined {
  if (cookieHeader === undefined || !cookieHeader.includes(SESSION_COOKIE)) return undefined
  const ours = cookieHeader.split(';').filter((pair) => nameOf(pair) === SESSION_COOKIE)
  if (ours.length !== 1) return undefined
  return trimBlanks(ours[0]!.slice(ours[0]!.indexOf('=') + 1))
}

function nameOf(pair: string): string | undefined {
  const equals = pair.indexOf('=')
  return equals < 0 ? undefined : trimBlanks(pair.slice(0, equals))
}

function encodePayload({ user, version, id, issued, expires }: Session): string {
  return `v1.${Buffer.from(JSON.stringify([user, version, id, issued, expires])).toString('base64url')}`
}

/** Only for a payload whose signature is right: what we signed once is well-formed, unless another version of mux did. */
function decodePayload(payload: string): Session | undefined {
  if (!payload.startsWith('v1.')) return undefined
  let fields: unknown
  try {
    fields = JSON.parse(Buffer.from(payload.slice(3), 'base64url').toString())
  } catch {
    return undefined
  }
  if (!Array.isArray(fields) || fields.length !== 5) return undefined
  const [user, version, id, issued, expires] = fields as unknown[]
  const name = typeof user === 'string' ? parseUserName(user) : undefined
  if (name === undefined || typeof id !== 'string' || !areIntegers(version, issued, expires)) return undefined
  return { user: name, version: version as number, id, issued: issued as number, expires: expires as number }
}

function areIntegers(...values: unknown[]): boolean {
  return values.every(Number.isSafeInteger)
}

/** The text before the payload makes sure that nothing else that mux signs can be taken for a session. */
function sign(payload: string, key: KeyObject): string {
  return createHmac('sha256', key).update(`mux session cookie\n${payload}`).digest('base64url')
}

/** Compares the texts and not the bytes that they stand for, of which base64 has more than one spelling. */
function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}

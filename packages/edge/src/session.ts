import { Buffer } from 'node:buffer'
import { createHmac, createSecretKey, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto'
import { parseUserName, type UserName } from '@mux/contract'
import { trimBlanks } from './trim-blanks.ts'

/** The browser keeps a cookie of this name only if it is Secure, for all paths, and set by this very host (RFC 6265bis). */
export const SESSION_COOKIE = '__Host-mux'
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax'

/** How long sessions last, in seconds. */
export interface SessionLimits {
  /** From the sign-in, however much it is used. */
  absolute: number
  /** From the last request. */
  idle: number
}

const DAY = 24 * 60 * 60
export const DEFAULT_SESSION_LIMITS: SessionLimits = { absolute: 14 * DAY, idle: 7 * DAY }
/**
 * How long the browser keeps the cookie, in seconds: as long as browsers keep any. It says when it is over itself, and
 * whose it was when somebody else signs in.
 */
const KEPT = 400 * DAY
/**
 * How far what a cookie says of its last use may lag behind, in seconds and as a part of the idle limit; the smaller
 * counts. An answer carries a new cookie no more often than that.
 */
const RENEWAL = 60 * 60
const RENEWAL_PART = 1 / 10
/** How far the clocks of two machines that run the edge may differ, in seconds. */
const SKEW = 60
const MIN_KEY_BYTES = 32
/** Longer than any value that is ever issued. */
const MAX_VALUE = 512

export interface Session {
  user: UserName
  /** That of the user's record when it was issued; it is good while the record has the same one. */
  epoch: number
  /** 128 random bits, base64url. */
  id: string
  /** Seconds since the epoch. */
  issued: number
  /** When it ends at the latest. */
  expires: number
  /** When it was in use, as far as the cookie knows. */
  seen: number
}

export interface SessionsOptions {
  keys: SessionKeys
  /** Milliseconds since the epoch. */
  now: () => number
  limits?: SessionLimits
}

/** At least 32 bytes each. The first signs; all verify, so that a key can be replaced without signing anybody out. */
export type SessionKeys = readonly [Uint8Array, ...Uint8Array[]]

export interface Sessions {
  issue(of: { user: UserName; epoch: number }): { value: string; setCookie: string }
  /**
   * The session that a `Cookie` header carries, if its signature and its dates are right. Whether the user's
   * record is still of its epoch is for the caller to compare. Two cookies of our name are none: no browser sends that.
   */
  read(cookieHeader: string | undefined): Session | undefined
  /**
   * Whether the session that a browser had last, be it over or not, may have been of somebody else: of one that cannot be
   * read, because its key is gone, nobody can say that it was not.
   */
  mayBeOfOther(cookieHeader: string | undefined, user: UserName): boolean
  /** The `Set-Cookie` value by which the browser learns that a session is in use; undefined while it knows well enough. */
  renewal(session: Session): string | undefined
  /** When a session ends if it is not used any more, in seconds since the epoch. */
  endOf: (session: Session) => number
  /** The `Set-Cookie` value that ends the session in the browser. */
  clearCookie(): string
  /** Signs with other keys from now on. @throws {RangeError} on one that is too short */
  useKeys(keys: SessionKeys): void
}

/** @throws {RangeError} on a key that is too short */
export function createSessions({ keys, now, limits = DEFAULT_SESSION_LIMITS }: SessionsOptions): Sessions {
  let secretKeys = importKeys(keys)
  const seconds = () => Math.floor(now() / 1000)
  const renewAfter = Math.min(RENEWAL, limits.idle * RENEWAL_PART)

  function endOf({ issued, expires, seen }: Session): number {
    // The limits of today, also for what was issued when they were wider.
    return Math.min(expires, issued + limits.absolute, seen + limits.idle)
  }

  function cookie(session: Session): { value: string; setCookie: string } {
    const payload = encodePayload(session)
    const value = `${payload}.${sign(payload, secretKeys[0]!)}`
    return { value, setCookie: `${SESSION_COOKIE}=${value}; Max-Age=${KEPT}; ${ATTRIBUTES}` }
  }

  /** What we signed once, and may be over. */
  function readSigned(cookieHeader: string | undefined): Session | undefined {
    const value = findCookie(cookieHeader)
    if (value === undefined || value.length > MAX_VALUE) return undefined
    const dot = value.lastIndexOf('.')
    if (dot < 0) return undefined
    const payload = value.slice(0, dot)
    const signature = value.slice(dot + 1)
    if (!secretKeys.some((key) => isEqual(signature, sign(payload, key)))) return undefined
    return decodePayload(payload)
  }

  return {
    issue({ user, epoch }) {
      const issued = seconds()
      const id = randomBytes(16).toString('base64url')
      return cookie({ user, epoch, id, issued, expires: issued + limits.absolute, seen: issued })
    },

    read(cookieHeader) {
      const session = readSigned(cookieHeader)
      if (session === undefined) return undefined
      return session.seen <= seconds() + SKEW && seconds() < endOf(session) ? session : undefined
    },

    mayBeOfOther(cookieHeader, user) {
      const session = readSigned(cookieHeader)
      return session === undefined ? hasCookie(cookieHeader) : session.user !== user
    },

    renewal(session) {
      const seen = seconds()
      const knowsEnough = seen - session.seen < renewAfter || limits.idle >= limits.absolute
      return knowsEnough ? undefined : cookie({ ...session, seen }).setCookie
    },

    endOf,
    clearCookie: () => `${SESSION_COOKIE}=; Max-Age=0; ${ATTRIBUTES}`,
    useKeys: (replacement) => {
      secretKeys = importKeys(replacement)
    },
  }
}

/** Once for all: Node spends several times as long on a key of plain bytes as on the HMAC itself. */
function importKeys(keys: SessionKeys): KeyObject[] {
  if (keys.some((key) => key.length < MIN_KEY_BYTES)) {
    throw new RangeError(`A session key has at least ${MIN_KEY_BYTES} bytes.`)
  }
  return keys.map((key) => createSecretKey(key))
}

function findCookie(cookieHeader: string | undefined): string | undefined {
  if (cookieHeader === undefined || !cookieHeader.includes(SESSION_COOKIE)) return undefined
  const pairs = cookieHeader.split(';')
  const ours = pairs.filter((pair) => cookieName(pair) === SESSION_COOKIE)
  if (ours.length !== 1 || pairs.some(isOfOldSyntax)) return undefined
  return trimBlanks(ours[0]!.slice(ours[0]!.indexOf('=') + 1))
}

function hasCookie(cookieHeader: string | undefined): boolean {
  return cookieHeader?.split(';').some((pair) => cookieName(pair) === SESSION_COOKIE) ?? false
}

/** In the syntax that this begins (RFC 2965 section 3.3.4) quoted text hides a semicolon, and another cookie with it. */
function isOfOldSyntax(pair: string): boolean {
  return pair.includes('$') && cookieName(pair)?.toLowerCase() === '$version'
}

/** The name of one pair of a `Cookie` header; undefined where there is none. */
export function cookieName(pair: string): string | undefined {
  const equals = pair.indexOf('=')
  return equals < 0 ? undefined : trimBlanks(pair.slice(0, equals))
}

function encodePayload({ user, epoch, id, issued, expires, seen }: Session): string {
  return `v1.${Buffer.from(JSON.stringify([user, epoch, id, issued, expires, seen])).toString('base64url')}`
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
  if (!Array.isArray(fields) || fields.length !== 6) return undefined
  const [user, epoch, id, issued, expires, seen] = fields as unknown[]
  const name = typeof user === 'string' ? parseUserName(user) : undefined
  if (name === undefined || typeof id !== 'string') return undefined
  if (!isInteger(epoch) || !isInteger(issued) || !isInteger(expires) || !isInteger(seen)) return undefined
  return { user: name, epoch, id, issued, expires, seen }
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value)
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

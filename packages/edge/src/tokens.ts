import { Buffer } from 'node:buffer'
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { TokenRecord } from '@mux/contract'

/** What every API token begins with, so that scanners for leaked secrets and people know one when they see it. */
export const TOKEN_PREFIX = 'mux_'
const TOKEN = /^mux_([0-9a-f]{16})_[0-9a-f]{40}$/

export interface NewToken {
  /** The name of its record. */
  id: string
  /** The token itself, to be shown once and kept nowhere. */
  token: string
  /** What the record keeps of it. */
  sha256: string
}

/** Makes an API token: `mux_`, its id, `_`, and 160 random bits. */
export function createToken(): NewToken {
  const id = randomBytes(8).toString('hex')
  const token = `${TOKEN_PREFIX}${id}_${randomBytes(20).toString('hex')}`
  return { id, token, sha256: sha256(token) }
}

/** The id of a token, by which its record is found; undefined for anything that is not spelled like one. */
export function parseToken(token: string): { id: string } | undefined {
  const match = TOKEN.exec(token)
  return match === null ? undefined : { id: match[1]! }
}

/**
 * True when `record` is this token's and has not expired. A plain SHA-256 is enough for a secret that nobody chose.
 * @param now milliseconds since the epoch
 */
export function tokenMatches(token: string, record: TokenRecord, now: number): boolean {
  if (hasExpired(record, now)) return false
  return timingSafeEqual(Buffer.from(sha256(token)), Buffer.from(record.sha256))
}

/** @param now milliseconds since the epoch */
export function hasExpired({ expires }: TokenRecord, now: number): boolean {
  return expires !== null && Date.parse(expires) <= now
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

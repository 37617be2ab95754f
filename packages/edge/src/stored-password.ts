import { Buffer } from 'node:buffer'
import { hash, scrypt, timingSafeEqual } from 'node:crypto'
import { compare } from 'bcryptjs'
import { apr1 } from './md5-crypt.ts'
import { shaCrypt } from './sha-crypt.ts'

/** How a password is kept: by mux itself (`scrypt`), or as it came from a file of htpasswd. */
export type PasswordKind = 'scrypt' | 'bcrypt' | 'apr1' | 'sha1' | 'sha256-crypt' | 'sha512-crypt'

/** A hash that can be compared with. */
export interface StoredPassword {
  kind: PasswordKind
  /** N·r·p of scrypt; 0 for what is to be replaced by it. */
  work: number
  /** @param password UTF-8 of the password, of 1 to 1024 bytes without control characters */
  matches(password: Buffer): Promise<boolean>
}

/**
 * The most work that is done for one password, whatever the hash says, because a Worker has no more than a second of
 * CPU, and runs no scrypt beyond this N·r·p (which bounds its memory to 128 MiB as well).
 */
export const MAX_SCRYPT_WORK = 2 ** 20
/** Some 500 ms, as bcryptjs does it. */
const MAX_BCRYPT_COST = 13
/** Some 300 ms. */
const MAX_CRYPT_ROUNDS = 100_000
const DEFAULT_CRYPT_ROUNDS = 5_000
/** bcrypt looks at no more bytes than these; what is longer would be right with another end. */
const MAX_BCRYPT_PASSWORD = 72

/**
 * Compares a password with a hash that came from elsewhere.
 * @param password as for {@link StoredPassword}
 */
export type CompareForeign = (stored: string, password: Buffer) => Promise<boolean>

/** In this thread, which has little time for anything else meanwhile. */
export const compareInPlace: CompareForeign = async (stored, password) =>
  (await parseStoredPassword(stored)?.matches(password)) ?? false

/** Reads a hash; undefined when it is none of a known kind, is cut off, or wants too much work. */
export function parseStoredPassword(text: string): StoredPassword | undefined {
  return parseScrypt(text) ?? parseBcrypt(text) ?? parseApr1(text) ?? parseSha1(text) ?? parseShaCrypt(text)
}

const PHC =
  /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d{0,2}),p=([1-9]\d{0,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

function parseScrypt(text: string): StoredPassword | undefined {
  const match = PHC.exec(text)
  if (match === null) return undefined
  const [ln, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const work = 2 ** ln * r * p
  // The second is scrypt's own limit (RFC 7914 section 2).
  if (work > MAX_SCRYPT_WORK || ln >= 16 * r) return undefined
  const [salt, expected] = [Buffer.from(match[4]!, 'base64'), Buffer.from(match[5]!, 'base64')]
  return {
    kind: 'scrypt',
    work,
    matches: async (password) =>
      timingSafeEqual(await deriveScrypt(password, salt, { ln, r, p }, expected.length), expected),
  }
}

export interface ScryptParameters {
  /** Base 2 logarithm of the cost N. */
  ln: number
  r: number
  p: number
}

export function deriveScrypt(
  password: Buffer,
  salt: Buffer,
  { ln, r, p }: ScryptParameters,
  length: number,
): Promise<Buffer> {
  const options = { N: 2 ** ln, r, p, maxmem: 256 * 2 ** 20 }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

function parseBcrypt(text: string): StoredPassword | undefined {
  const match = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(text)
  const cost = Number(match?.[1])
  if (match === null || cost < 4 || cost > MAX_BCRYPT_COST) return undefined
  return {
    kind: 'bcrypt',
    work: 0,
    matches: async (password) =>
      password.length <= MAX_BCRYPT_PASSWORD && (await compare(password.toString(), text)),
  }
}

function parseApr1(text: string): StoredPassword | undefined {
  const match = /^\$apr1\$([./0-9A-Za-z]{1,8})\$([./0-9A-Za-z]{22})$/.exec(text)
  if (match === null) return undefined
  const matches = async (password: Buffer) => isEqual(apr1(password, match[1]!), match[2]!)
  return { kind: 'apr1', work: 0, matches }
}

function parseSha1(text: string): StoredPassword | undefined {
  const match = /^\{SHA\}([A-Za-z0-9+/]{27}=)$/.exec(text)
  if (match === null) return undefined
  const matches = async (password: Buffer) => isEqual(hash('sha1', password, 'base64'), match[1]!)
  return { kind: 'sha1', work: 0, matches }
}

const SHA_CRYPT =
  /^\$([56])\$(?:rounds=([1-9]\d{3,5})\$)?([./0-9A-Za-z]{1,16})\$([./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})$/

function parseShaCrypt(text: string): StoredPassword | undefined {
  const match = SHA_CRYPT.exec(text)
  if (match === null) return undefined
  const algorithm = match[1] === '5' ? 'sha256' : 'sha512'
  const rounds = match[2] === undefined ? DEFAULT_CRYPT_ROUNDS : Number(match[2])
  const [salt, expected] = [match[3]!, match[4]!]
  if (rounds > MAX_CRYPT_ROUNDS || expected.length !== (algorithm === 'sha256' ? 43 : 86)) return undefined
  const matches = async (password: Buffer) =>
    isEqual(await shaCrypt(algorithm, password, salt, rounds), expected)
  return { kind: `${algorithm}-crypt`, work: 0, matches }
}

/** Both are of the same length, since the expression that found one of them says so. */
function isEqual(computed: string, expected: string): boolean {
  return timingSafeEqual(Buffer.from(computed), Buffer.from(expected))
}

import { Buffer } from 'node:buffer'
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { MAX_PASSWORD_BYTES } from './credentials.ts'
import { HashQueue } from './hash-queue.ts'
import { parseToken } from './tokens.ts'

interface ScryptHash {
  /** Base 2 logarithm of the cost N. */
  ln: number
  r: number
  p: number
  salt: Buffer
  hash: Buffer
}

/** One of OWASP's equivalent choices for scrypt, the one that fits a Worker's 128 MB. */
const PARAMETERS = { ln: 14, r: 8, p: 5 }
/** Workers run no scrypt beyond this N·r·p; it bounds time, and memory to 128 MiB as well. */
const MAX_WORK = 2 ** 20
const SALT_BYTES = 16
const HASH_BYTES = 32

/** What an unknown user's password is compared with: as much work as a real one, and never right. */
const NOBODY: ScryptHash = { ...PARAMETERS, salt: Buffer.alloc(SALT_BYTES), hash: Buffer.alloc(HASH_BYTES) }

/** Two of libuv's four threads, so that files and names are still looked up while passwords are hashed. */
const queue = new HashQueue({ atOnce: 2, waiting: 64, retryAfter: 5 })

/** A password that nobody could sign in with. */
export class PasswordError extends Error {
  override readonly name = 'PasswordError'
  readonly code = 'password_unusable'
}

/**
 * Hashes a new password into a PHC string with its parameters and a fresh salt.
 * @throws {PasswordError} on an empty one, one over {@link MAX_PASSWORD_BYTES}, one with control characters, and one that
 *   is spelled like an API token, since it would be taken for one
 * @throws {Problem} `rate_limited` when too many wait to be hashed
 */
export async function hashPassword(password: string): Promise<string> {
  const bytes = passwordBytes(password)
  if (bytes === undefined) {
    throw new PasswordError(
      `A password has 1 to ${MAX_PASSWORD_BYTES} bytes of UTF-8, and no control characters among them.`,
    )
  }
  if (parseToken(password) !== undefined)
    throw new PasswordError('A password is not spelled like an API token of mux.')
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(bytes, { ...PARAMETERS, salt, hash: NOBODY.hash })
  const { ln, r, p } = PARAMETERS
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`
}

/**
 * Compares a password with a PHC string. One that is not usable, and `null`, cost as much time as a wrong password and
 * give false.
 * @throws {Problem} `rate_limited` when too many wait to be hashed
 */
export async function verifyPassword(password: string, phc: string | null): Promise<boolean> {
  const bytes = passwordBytes(password)
  if (bytes === undefined) return false
  const expected = (phc === null ? undefined : parseHash(phc)) ?? NOBODY
  const equal = timingSafeEqual(await derive(bytes, expected), expected.hash)
  return equal && expected !== NOBODY
}

/** UTF-8 of the NFC form, so that one password typed on two keyboards is one (RFC 7617 section 2.1, RFC 8265). */
function passwordBytes(password: string): Buffer | undefined {
  if (password === '' || password.length > MAX_PASSWORD_BYTES || !password.isWellFormed()) return undefined
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\0-\x1f\x7f]/.test(password)) return undefined
  const bytes = Buffer.from(password.normalize('NFC'), 'utf8')
  return bytes.length > MAX_PASSWORD_BYTES ? undefined : bytes
}

const PHC =
  /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d{0,2}),p=([1-9]\d{0,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

function parseHash(phc: string): ScryptHash | undefined {
  const match = PHC.exec(phc)
  if (match === null) return undefined
  const [ln, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])]
  // The second is scrypt's own limit (RFC 7914 section 2).
  if (2 ** ln * r * p > MAX_WORK || ln >= 16 * r) return undefined
  const [salt, hash] = [Buffer.from(match[4]!, 'base64'), Buffer.from(match[5]!, 'base64')]
  return { ln, r, p, salt, hash }
}

function derive(password: Buffer, { ln, r, p, salt, hash }: ScryptHash): Promise<Buffer> {
  const options = { N: 2 ** ln, r, p, maxmem: 256 * 2 ** 20 }
  return queue.run(
    () =>
      new Promise((resolve, reject) => {
        scrypt(password, salt, hash.length, options, (error, key) => (error ? reject(error) : resolve(key)))
      }),
  )
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

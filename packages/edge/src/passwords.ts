import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { MAX_PASSWORD_BYTES } from './credentials.ts'
import { HashQueue } from './hash-queue.ts'
import {
  type CompareForeign,
  compareInPlace,
  deriveScrypt,
  parseStoredPassword,
  type ScryptParameters,
} from './stored-password.ts'
import { parseToken } from './tokens.ts'

/** One of OWASP's equivalent choices for scrypt, the one that fits a Worker's 128 MB and its limit on N·r·p. */
const PARAMETERS: ScryptParameters = { ln: 14, r: 8, p: 5 }
const WORK = 2 ** PARAMETERS.ln * PARAMETERS.r * PARAMETERS.p
const SALT_BYTES = 16
const HASH_BYTES = 32

/**
 * One of the processors is left to everybody who is signed in, if there are two; and two of libuv's four threads to files and
 * names. A Worker has one of everything.
 */
export const HASHES_AT_ONCE = Math.min(2, Math.max(1, navigator.hardwareConcurrency - 1))
export const HASHES_WAITING = 64

/** Twenty seconds are within what browsers, and the fronts before them, wait for an answer. */
const queue = new HashQueue({ atOnce: HASHES_AT_ONCE, waiting: HASHES_WAITING, patience: 20_000, usual: 100 })

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
  const hash = await queue.run(() => deriveScrypt(bytes, salt, PARAMETERS, HASH_BYTES))
  const { ln, r, p } = PARAMETERS
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`
}

/**
 * Compares a password with a stored hash. One that is not usable, and `null`, cost as much time as a wrong password and
 * give false. A hash that came from elsewhere costs its own time besides, until it is replaced.
 * @param isWanted whether anybody still waits for the answer; nothing is hashed once nobody does
 * @param compareForeign where a hash that came from elsewhere is computed
 * @throws {Problem} `rate_limited` when too many wait to be hashed, or when it is wanted no more
 */
export async function verifyPassword(
  password: string,
  stored: string | null,
  isWanted?: () => boolean,
  compareForeign: CompareForeign = compareInPlace,
): Promise<boolean> {
  const bytes = passwordBytes(password)
  if (bytes === undefined) return false
  const known = stored === null ? undefined : parseStoredPassword(stored)
  return queue.run(async () => {
    if (known?.kind === 'scrypt') return known.matches(bytes)
    const right = stored !== null && known !== undefined && (await compareForeign(stored, bytes))
    await deriveScrypt(bytes, NO_SALT, PARAMETERS, HASH_BYTES)
    return right
  }, isWanted)
}

/** What an unknown user's password is hashed with: as much work as a real one. */
const NO_SALT = Buffer.alloc(SALT_BYTES)

/** True for a hash that is weaker than one that would be made now. */
export function isOutdated(stored: string): boolean {
  const known = parseStoredPassword(stored)
  return known !== undefined && known.work < WORK
}

/** UTF-8 of the NFC form, so that one password typed on two keyboards is one (RFC 7617 section 2.1, RFC 8265). */
function passwordBytes(password: string): Buffer | undefined {
  if (password === '' || password.length > MAX_PASSWORD_BYTES || !password.isWellFormed()) return undefined
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\0-\x1f\x7f]/.test(password)) return undefined
  const bytes = Buffer.from(password.normalize('NFC'), 'utf8')
  return bytes.length > MAX_PASSWORD_BYTES ? undefined : bytes
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

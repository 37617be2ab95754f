import { randomInt } from 'node:crypto'
import { hashPassword, PasswordError } from '@mux/edge/registry'
import { askHidden, canAsk, readHidden } from '../ask.ts'
import { CliError } from '../errors.ts'

/** The shortest that a person may choose (NIST SP 800-63B section 5.1.1); one that is generated has more than twice as many bits as it needs. */
const SHORTEST = 8
/** No character that looks like another one. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789'

export interface NewPassword {
  /** PHC string; null: none, and nobody signs in by one. */
  hash: string | null
  /** The text, when nobody else knows it yet. */
  generated?: string
}

export interface PasswordFlags {
  'password-stdin': boolean
  generate: boolean
  'no-password': boolean
}

/** What is known of a new password before it is needed: the text, null for none, undefined for nothing. */
export type GivenPassword = string | null | undefined

/**
 * A new password as the flags want it: from standard input, made up, or asked for on a terminal.
 * @throws {CliError} `usage` where nobody can be asked, `password_invalid`
 */
export async function newPassword(flags: PasswordFlags, given: GivenPassword): Promise<NewPassword> {
  if (given === null) return { hash: null }
  if (flags.generate) {
    const generated = generate()
    return { hash: await hashPassword(generated), generated }
  }
  if (given !== undefined) return { hash: await hash(given) }
  if (canAsk()) return { hash: await hash(await askHidden('Password', true)) }
  throw new CliError('usage', 'There is no terminal to ask for the password on.', {
    hint: 'Pipe it in with --password-stdin, have one made with --generate, or do without with --no-password.',
  })
}

/** The password on standard input when the flags say that there is one; null when they want none. */
export async function givenPassword(flags: PasswordFlags): Promise<GivenPassword> {
  if (flags['no-password']) return null
  return flags['password-stdin'] ? readHidden('password') : undefined
}

async function hash(password: string): Promise<string> {
  if (Array.from(password).length < SHORTEST)
    throw new CliError(
      'password_invalid',
      `The password is shorter than ${SHORTEST} characters. Nothing was changed.`,
      {
        hint: 'Choose a longer one, or have one made with --generate.',
      },
    )
  try {
    return await hashPassword(password)
  } catch (error) {
    if (error instanceof PasswordError)
      throw new CliError('password_invalid', error.message, { cause: error })
    throw error
  }
}

/** Four groups of five characters: 99 bits, to be read out over the telephone. */
function generate(): string {
  const group = () => Array.from({ length: 5 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
  return Array.from({ length: 4 }, group).join('-')
}

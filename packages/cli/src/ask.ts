import { CliError } from './errors.ts'

/** The longest password or secret that is read from standard input, in bytes. */
const MAX_INPUT = 64 * 1024
/** How long standard input may take to end, in milliseconds; the program that writes it may be asking somebody. */
const INPUT_PATIENCE = 5 * 60_000

/** Questions go to standard error, so that standard output carries nothing but the result. */
const CONTEXT = { output: process.stderr }

/** True where there is a person to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY
}

/**
 * Has a destructive step confirmed.
 * @throws {CliError} `confirmation_needed` where nobody can be asked, `cancelled` on a no
 */
export async function confirmed(question: string, yes: boolean): Promise<void> {
  if (yes) return
  if (!canAsk())
    throw new CliError('confirmation_needed', `${question} Nobody is here to ask.`, 'Confirm it with --yes.')
  const { default: confirm } = await import('@inquirer/confirm')
  if (!(await confirm({ message: question, default: false }, CONTEXT)))
    throw new CliError('cancelled', 'Not confirmed: nothing was changed.')
}

/** Asks for a text without showing it; when it is a new one, twice. */
export async function askHidden(what: string, twice: boolean): Promise<string> {
  const { default: password } = await import('@inquirer/password')
  const first = await password({ message: `${what}:` }, CONTEXT)
  if (!twice) return first
  if ((await password({ message: `${what}, again:` }, CONTEXT)) === first) return first
  throw new CliError('password_invalid', 'The two are not the same. Nothing was changed.')
}

/**
 * All of standard input as text, less exactly one line break at its end.
 * @throws {CliError} `password_invalid` when it is a terminal, too long or no UTF-8
 */
export async function readHidden(what: string): Promise<string> {
  if (process.stdin.isTTY)
    throw new CliError(
      'password_invalid',
      `The ${what} was to come from standard input, which is a terminal.`,
      {
        hint: 'Pipe it in, or leave the flag out to be asked for it.',
      },
    )
  return (await readText(what, MAX_INPUT)).replace(/\r?\n$/, '')
}

/**
 * All of standard input as text.
 * @param most in bytes
 * @throws {CliError} `password_invalid` when it is too long or no UTF-8
 */
export async function readText(what: string, most: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  const late = setTimeout(
    () => process.stdin.destroy(new Error('standard input did not end')),
    INPUT_PATIENCE,
  )
  try {
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > most) throw new CliError('password_invalid', `The ${what} is longer than ${most} bytes.`)
      chunks.push(chunk)
    }
  } finally {
    clearTimeout(late)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
  } catch (error) {
    throw new CliError('password_invalid', `The ${what} is not UTF-8.`, { cause: error })
  }
}

import { Readable, Writable } from 'node:stream'
import { type CliErrorCode, CLI_ERRORS, CliError } from './errors.ts'
import { type RemoteHost, runOnHost } from './remote-host.ts'

/** The longest answer of a command that is read whole, in bytes. */
const MAX_ANSWER = 4 * 1024 * 1024
/** How many lines of what a command has said are told. */
const LAST_LINES = 20

/**
 * What was typed behind the name of a command, less flags that are for this side.
 * @param flags names of flags that take a value
 */
export function withoutFlags(argv: readonly string[], flags: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at]!
    if (word === '--') return [...kept, ...argv.slice(at)]
    const flag = flags.find((name) => word === `--${name}` || word.startsWith(`--${name}=`))
    if (flag === undefined) kept.push(word)
    else if (word === `--${flag}`) at += 1
  }
  return kept
}

/**
 * Runs a command on a host for what it writes.
 * @param stdout takes that, and is not ended; else it is returned
 * @throws {CliError} with what it has said when it does not end with 0; `host_unreachable` and others of the way there
 */
export async function runForOutput(
  host: RemoteHost,
  args: readonly string[],
  { stdout, signal }: { stdout?: Writable; signal?: AbortSignal } = {},
): Promise<string> {
  const [kept, stderr] = [new Kept(), new Kept()]
  const code = await runOnHost(host, args, {
    stdout: stdout ?? kept,
    stderr,
    ...(signal === undefined ? {} : { signal }),
  })
  if (code === 0) return kept.text
  throw new CliError('host_command_failed', `On ${host.name}, mux ${args.join(' ')} ended with ${code}.`, {
    details: stderr.text.trimEnd().split('\n').slice(-LAST_LINES),
  })
}

/**
 * Runs a command on a host for what it answers with `--json`.
 * @param input what it reads from its standard input
 * @throws {CliError} what the command fails with there, with the host named; `host_unreachable` and others of the way there
 */
export async function answerOfHost<Answer>(
  host: RemoteHost,
  args: readonly string[],
  {
    input,
    signal,
  }: { input?: string | AsyncIterable<Uint8Array> | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Answer> {
  const [stdout, stderr] = [new Kept(), new Kept()]
  const code = await runOnHost(host, [...args, '--json'], {
    stdout,
    stderr,
    ...(input === undefined
      ? {}
      : { stdin: typeof input === 'string' ? Readable.from([Buffer.from(input)]) : input }),
    ...(signal === undefined ? {} : { signal }),
  })
  const answer = parse(stdout.text)
  if (code === 0 && answer !== undefined) return answer as Answer
  throw failureOf(host, answer, code)
}

class Kept extends Writable {
  readonly #pieces: Buffer[] = []
  #size = 0
  /** Decoded as a whole: a piece may end within a character. */
  get text(): string {
    return Buffer.concat(this.#pieces).toString('utf8')
  }
  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#pieces.push(chunk)
    this.#size += chunk.length
    done(this.#size > MAX_ANSWER ? new Error('the answer of the command is too long') : undefined)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface Failure {
  code: string
  message: string
  hint: string | null
  details: string[]
}

function failureOf({ name }: RemoteHost, answer: unknown, code: number): CliError {
  const { error, ...report } = (answer ?? {}) as { error?: Failure }
  if (error === undefined || !Object.hasOwn(CLI_ERRORS, error.code))
    return new CliError('internal', `On ${name}, the command ended with ${code} and no answer.`)
  const { message, hint, details } = error
  return new CliError(error.code as CliErrorCode, `On ${name}: ${message}`, { hint, details, report })
}

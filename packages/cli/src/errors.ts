import { stripVTControlCharacters } from 'node:util'
import type { CloudflareError, CloudflareErrorCode } from '@mux/edge/registry'
import { ControlError, RecordError, type ControlErrorCode } from '@mux/contract'

/** What the process ends with; part of the CLI's contract. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  unreachable: 5,
  refused: 6,
  interrupted: 130,
} as const

/** Every failure that a person can meet on the command line, and the exit code that it ends with. */
export const CLI_ERRORS = {
  usage: EXIT.usage,
  command_not_found: EXIT.usage,
  name_invalid: EXIT.usage,
  setting_invalid: EXIT.usage,
  password_invalid: EXIT.usage,
  confirmation_needed: EXIT.usage,
  namespace_unknown: EXIT.usage,

  project_not_found: EXIT.notFound,
  application_not_found: EXIT.notFound,
  user_not_found: EXIT.notFound,
  instance_not_found: EXIT.notFound,
  route_not_found: EXIT.notFound,
  token_not_found: EXIT.notFound,
  setting_not_found: EXIT.notFound,
  service_not_found: EXIT.notFound,
  host_not_found: EXIT.notFound,
  cloudflare_not_found: EXIT.notFound,

  project_exists: EXIT.conflict,
  user_exists: EXIT.conflict,
  instance_exists: EXIT.conflict,
  instance_in_use: EXIT.conflict,
  instance_running: EXIT.conflict,
  host_draining: EXIT.conflict,
  host_command_failed: EXIT.failed,
  move_unfinished: EXIT.conflict,
  pool_full: EXIT.conflict,
  address_in_use: EXIT.conflict,
  already_running: EXIT.conflict,
  locked: EXIT.conflict,
  service_exists: EXIT.conflict,
  service_enabled: EXIT.conflict,
  nothing_to_restore: EXIT.conflict,
  host_busy: EXIT.conflict,
  host_exists: EXIT.conflict,
  host_in_use: EXIT.conflict,
  registry_conflict: EXIT.conflict,

  not_running: EXIT.unreachable,
  supervisor_unresponsive: EXIT.unreachable,
  host_unreachable: EXIT.unreachable,
  cloudflare_unreachable: EXIT.unreachable,
  cloudflare_rate_limited: EXIT.unreachable,
  cloudflare_failed: EXIT.unreachable,
  cloudflare_garbled: EXIT.unreachable,
  registry_behind: EXIT.unreachable,
  deployment_unconfirmed: EXIT.unreachable,
  host_untold: EXIT.unreachable,

  not_permitted: EXIT.refused,
  state_refused: EXIT.refused,
  control_refused: EXIT.refused,
  host_refused: EXIT.refused,
  plain_http_refused: EXIT.refused,
  key_exposed: EXIT.refused,
  token_missing: EXIT.refused,
  cloudflare_token_refused: EXIT.refused,
  cloudflare_forbidden: EXIT.refused,

  config_invalid: EXIT.failed,
  file_unusable: EXIT.failed,
  address_unusable: EXIT.failed,
  socket_unusable: EXIT.failed,
  start_failed: EXIT.failed,
  demo_failed: EXIT.failed,
  instance_failed: EXIT.failed,
  instance_disabled: EXIT.failed,
  data_unusable: EXIT.failed,
  shutting_down: EXIT.failed,
  key_unusable: EXIT.failed,
  certificate_unusable: EXIT.failed,
  record_invalid: EXIT.failed,
  record_unfit: EXIT.failed,
  registry_unavailable: EXIT.failed,
  registry_newer: EXIT.failed,
  cloudflare_refused: EXIT.failed,
  cloudflare_too_large: EXIT.failed,
  wrangler_missing: EXIT.failed,
  tool_missing: EXIT.failed,
  wrangler_failed: EXIT.failed,
  disk_full: EXIT.failed,
  output_unwritable: EXIT.failed,
  internal: EXIT.failed,

  cancelled: EXIT.failed,
  interrupted: EXIT.interrupted,
} as const satisfies Record<string, number>

export type CliErrorCode = keyof typeof CLI_ERRORS

export interface CliErrorOptions {
  /** What to do next; ends in a command where there is one. */
  hint?: string | null
  /** Lines that belong to the message: problems of a file, the end of a log. */
  details?: readonly string[]
  /** What was done before it failed: keys that the JSON document has besides `error`. */
  report?: Readonly<Record<string, unknown>>
  cause?: unknown
}

/** A failure as the operator sees it: a stable code, one sentence, and what to do next. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: CliErrorCode
  readonly hint: string | null
  readonly details: readonly string[]
  readonly report: Readonly<Record<string, unknown>>

  /** @param hint what to do next, alone or among other options */
  constructor(code: CliErrorCode, message: string, hint: string | CliErrorOptions = {}) {
    const options = typeof hint === 'string' ? { hint } : hint
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.hint = options.hint ?? null
    this.details = options.details ?? []
    this.report = options.report ?? {}
  }

  get exitCode(): number {
    return CLI_ERRORS[this.code]
  }

  toJSON() {
    const { code, message, hint, details, report } = this
    return { ...report, error: { code, message, hint, details } }
  }
}

const CONTROL_CODES: Record<ControlErrorCode, CliErrorCode> = {
  control_request_invalid: 'internal',
  instance_not_found: 'instance_not_found',
  instance_failed: 'instance_failed',
  instance_disabled: 'instance_disabled',
  pool_full: 'pool_full',
  config_invalid: 'config_invalid',
  shutting_down: 'shutting_down',
  host_busy: 'host_busy',
  disk_full: 'disk_full',
  internal: 'internal',
}

const HOOK_HINT = 'See app.hooks in mux.yaml, and what it has said above.'
/** By their names, as above all: what archives or runs a hook is not loaded for every command. */
const DATA_HINTS: Readonly<Record<string, string>> = {
  ArchiveError:
    'Nothing was changed. What mux instance export writes is taken; data with links that lead elsewhere go by app.hooks in mux.yaml.',
  HookError: HOOK_HINT,
  SettingsError: HOOK_HINT,
}

const HISTORY_HINT = 'Move it away: it is written anew when the instance is ready next.'

const REGISTRY_HINTS = {
  registry_unavailable:
    'Look at the file that it names: mux must be able to read and write it and its directory.',
  registry_newer: 'Use the mux that wrote it, or a newer one: mux --version',
} as const

const TRY_AGAIN = 'Then give the same command again: it does what is left to do.'
const TOKEN =
  'Make a token with the permission Workers KV Storage: Edit, and put it into CLOUDFLARE_API_TOKEN.'

const CLOUDFLARE_HINTS: Record<CloudflareErrorCode, string> = {
  cloudflare_token_refused: TOKEN,
  cloudflare_forbidden: TOKEN,
  cloudflare_not_found: 'See what there is: wrangler whoami   wrangler kv namespace list',
  cloudflare_rate_limited: `Wait for five minutes. ${TRY_AGAIN}`,
  cloudflare_failed: `See https://www.cloudflarestatus.com. ${TRY_AGAIN}`,
  cloudflare_unreachable: `See whether this machine reaches the network. ${TRY_AGAIN}`,
  cloudflare_garbled: `See what is between this machine and Cloudflare, such as a proxy. ${TRY_AGAIN}`,
  cloudflare_too_large: 'Please report this; DEBUG=mux shows where it happened.',
  cloudflare_refused: 'Please report this; DEBUG=mux shows where it happened.',
}

const SYSTEM_HINTS = {
  not_permitted: 'Run mux as the user who owns the project and its .mux, on a disk that can be written.',
  disk_full: 'Make room on that disk; nothing was half-written.',
} as const

const SYSTEM_CODES: Record<string, keyof typeof SYSTEM_HINTS> = {
  EACCES: 'not_permitted',
  EPERM: 'not_permitted',
  EROFS: 'not_permitted',
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
}
/** Result code of SQLite (https://www.sqlite.org/rescode.html#full): of a lock, since the registry says its own. */
const SQLITE_FULL = 13

/** Translates whatever was thrown into what the operator is told; called once, where the process ends. */
export function toCliError(thrown: unknown): CliError {
  const error = withUsage(thrown, '')
  if (error instanceof CliError) return error
  if (error instanceof ControlError)
    return new CliError(CONTROL_CODES[error.code], error.message, {
      hint: error.hint,
      details: error.log,
      cause: error,
    })
  if (error instanceof RecordError)
    return new CliError('record_invalid', error.message, {
      hint: 'Write it anew: mux user, mux instance or mux route.',
      cause: error,
    })
  // By its name: importing the class would load its decoder for every command.
  if (error instanceof Error && error.name === 'HistoryError')
    return new CliError('record_invalid', error.message, { hint: HISTORY_HINT, cause: error })
  if (error instanceof Error && Object.hasOwn(DATA_HINTS, error.name))
    return new CliError('data_unusable', error.message, { hint: DATA_HINTS[error.name]!, cause: error })
  if (isRegistryError(error))
    return new CliError(error.code, error.message, { hint: REGISTRY_HINTS[error.code], cause: error })
  if (isCloudflareError(error))
    return new CliError(error.code, error.message, { hint: CLOUDFLARE_HINTS[error.code], cause: error })
  if (error instanceof Error && error.name === 'ExitPromptError')
    return new CliError('interrupted', 'Interrupted: nothing was changed.', { cause: error })
  const system = systemCode(error)
  if (system !== undefined)
    return new CliError(system, sentence((error as Error).message), {
      hint: SYSTEM_HINTS[system],
      cause: error,
    })
  if (isOfState(error))
    return new CliError(
      'state_refused',
      sentence(`Something in .mux is not what it has to be: ${error.message}`),
      {
        hint: 'Move what is named away; mux makes it anew, but for what is in .mux/data and .mux/secrets.',
        cause: error,
      },
    )
  return defect(error)
}

/** A directory in place of a file, or the like, where only mux writes. */
function isOfState(error: unknown): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || !('path' in error)) return false
  const { code, path } = error as NodeJS.ErrnoException
  return path!.includes('/.mux/') && ['EISDIR', 'ENOTDIR', 'EEXIST', 'ELOOP'].includes(code!)
}

function systemCode(error: unknown): keyof typeof SYSTEM_HINTS | undefined {
  if (!(error instanceof Error)) return undefined
  if ('errcode' in error && error.errcode === SQLITE_FULL) return 'disk_full'
  return 'code' in error ? SYSTEM_CODES[String(error.code)] : undefined
}

/** What nobody has expected, whatever it is; ends with 1. */
export function defect(error: unknown): CliError {
  const message = error instanceof Error ? error.message : String(error)
  return new CliError('internal', sentence(`Something went wrong inside mux: ${message}`), {
    hint: 'Please report this; DEBUG=mux shows where it happened.',
    cause: error,
  })
}

// By its shape: importing the class would load the whole edge for every command.
function isRegistryError(error: unknown): error is Error & { code: keyof typeof REGISTRY_HINTS } {
  return (
    error instanceof Error &&
    error.name === 'RegistryError' &&
    'code' in error &&
    String(error.code) in REGISTRY_HINTS
  )
}

function isCloudflareError(error: unknown): error is CloudflareError {
  return error instanceof Error && error.name === 'CloudflareError'
}

/**
 * What oclif throws when the command line itself is at fault, in our words; anything else as it is.
 * @param command the words after `mux` that were understood
 */
export function withUsage(error: unknown, command: string): unknown {
  // A command's file that cannot be loaded is thrown in the same way, and is our fault.
  if (!(error instanceof Error && 'oclif' in error) || ('code' in error && error.code === 'MODULE_NOT_FOUND'))
    return error
  const text = isMissingArguments(error)
    ? `${error.args.map(({ name }) => name.toUpperCase()).join(' and ')} is missing`
    : stripVTControlCharacters(error.message).replace(PARSER_PHRASES, '')
  return new CliError('usage', sentence(text), {
    hint: `See: ${['mux', command, '--help'].filter((word) => word !== '').join(' ')}`,
    cause: error,
  })
}

/** What oclif says around the point of its message. */
const PARSER_PHRASES = /^The following errors? occurred:\s*|\n?See more help with --help$/g

/** By its name: oclif does not export the class. */
function isMissingArguments(error: Error): error is Error & { args: { name: string }[] } {
  return error.constructor.name === 'RequiredArgsError'
}

/** One line that ends like a sentence, whatever the text was. */
function sentence(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return /[.!?]$/.test(line) ? line : `${line}.`
}

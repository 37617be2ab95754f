import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { readHidden } from './ask.ts'
import { CliError } from './errors.ts'
import { findWrangler, quiet, type Wrangler } from './wrangler.ts'

/** How long wrangler may take to tell its token, which it may have to renew first, in milliseconds. */
const WRANGLER_LIMIT = 30_000

/**
 * The token for Cloudflare's API: from standard input where that was asked for, else from `CLOUDFLARE_API_TOKEN`, else
 * the one that wrangler signs in with. It is never an argument, which any process on the machine could read.
 * @throws {CliError} `token_missing`
 */
export async function apiToken(options: {
  fromInput: boolean
  environment: NodeJS.ProcessEnv
  directory: string
}): Promise<string> {
  const { fromInput, environment, directory } = options
  if (fromInput) return (await readHidden('API token')).trim()
  const given = environment['CLOUDFLARE_API_TOKEN']?.trim()
  return given !== undefined && given !== '' ? given : wranglerToken(environment, directory)
}

async function wranglerToken(env: NodeJS.ProcessEnv, cwd: string): Promise<string> {
  const said = await askWrangler(env, cwd)
  const { type, token } = parse(said)
  if (typeof token === 'string' && token !== '') return token
  throw missing(
    type === 'api_key'
      ? 'wrangler signs in with a global API key, and mux takes a token only.'
      : 'wrangler gives no API token.',
  )
}

/** The one on the path, as whose user the operator has signed in; else the one of mux, which finds that as well. */
async function askWrangler(env: NodeJS.ProcessEnv, cwd: string): Promise<string> {
  try {
    return await tokenOf(['wrangler'], env, cwd)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw refused()
  }
  const { command } = await findWrangler(env).catch(() => {
    throw missing('There is no API token for Cloudflare.')
  })
  return tokenOf(command, env, cwd).catch(() => {
    throw missing('There is no API token for Cloudflare.')
  })
}

async function tokenOf(
  [program, ...before]: Wrangler['command'],
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<string> {
  const asked = promisify(execFile)(program, [...before, 'auth', 'token', '--json'], {
    cwd,
    env: quiet(env),
    timeout: WRANGLER_LIMIT,
    killSignal: 'SIGKILL',
  })
  asked.child.stdin?.end()
  return (await asked).stdout
}

/** What wrangler has said when it failed goes nowhere: the token may be in it. */
function refused(): CliError {
  return missing('wrangler gives no API token.')
}

function parse(text: string): { type?: unknown; token?: unknown } {
  try {
    return (JSON.parse(text) as object | null) ?? {}
  } catch {
    return {}
  }
}

function missing(message: string): CliError {
  return new CliError(
    'token_missing',
    message,
    'Make one with the permission Workers KV Storage: Edit, and put it into CLOUDFLARE_API_TOKEN. Or: npx wrangler login',
  )
}

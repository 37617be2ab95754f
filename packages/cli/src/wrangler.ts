import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { listenForEnd } from './end-signals.ts'
import { CliError } from './errors.ts'

/** The program that carries the Worker to Cloudflare (https://developers.cloudflare.com/workers/wrangler/). */
export interface Wrangler {
  version: string
  /** It, and the arguments that come before one's own. */
  command: readonly [program: string, ...args: string[]]
}

export interface WranglerRun {
  directory: string
  environment: NodeJS.ProcessEnv
  /** Where it writes down what it has come to; it is removed. */
  reportFile: string
  /** What must not be repeated, whatever it says. */
  secrets: readonly string[]
}

/** One thing that it says it has done, by `type` (`deploy`, `command-failed`). */
export type WranglerEntry = Readonly<Record<string, unknown>> & { type: string }

/** The first that uploads secrets together with the code. */
const OLDEST = [4, 100, 0]
/** How long wrangler may take, in milliseconds; it tries what fails three times. */
const LIMIT = 180_000
/** How long it may take to say its version, in milliseconds. */
const VERSION_LIMIT = 30_000
/** How long it may take to end when it is told to, in milliseconds. */
const END_LIMIT = 5_000
/** How many of its last lines are repeated. */
const LAST_LINES = 12
/** How Cloudflare's API numbers what a token may not do. */
const AUTHENTICATION_ERROR = 10_000

/**
 * The wrangler that came with mux, which it was tested with; else the one on the path.
 * @throws {CliError} `wrangler_missing` when there is none, or an old one
 */
export async function findWrangler(environment: NodeJS.ProcessEnv): Promise<Wrangler> {
  const wrangler = (await besideTheWorker()) ?? (await onThePath(environment))
  if (wrangler === undefined) throw missing('There is no wrangler.')
  if (isOld(wrangler.version))
    throw missing(`wrangler ${wrangler.version} is too old: ${OLDEST.join('.')} or newer is needed.`)
  return wrangler
}

/**
 * Runs wrangler to its end, without a terminal, so that it asks nothing. Ctrl-C ends it with all its processes, and mux is told.
 * @returns what it has come to
 * @throws {CliError} `wrangler_failed`, `cloudflare_forbidden`, with its last words; `interrupted`
 */
export async function runWrangler(
  { command: [program, ...before] }: Wrangler,
  args: readonly string[],
  { directory, environment, reportFile, secrets }: WranglerRun,
): Promise<WranglerEntry[]> {
  await rm(reportFile, { force: true })
  const interruption = listenForEnd()
  const child = spawn(program, [...before, ...args], {
    cwd: directory,
    env: { ...quiet(environment), WRANGLER_OUTPUT_FILE_PATH: reportFile },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: it starts further processes, and Ctrl-C is for mux to hear.
    detached: true,
  })
  const timers: NodeJS.Timeout[] = []
  let stopped: 'late' | 'interrupted' | undefined
  const stop = (why: typeof stopped) => {
    stopped ??= why
    endGroup(child.pid, 'SIGTERM')
    timers.push(setTimeout(endGroup, END_LIMIT, child.pid, 'SIGKILL'))
  }
  timers.push(setTimeout(stop, LIMIT, 'late'))
  void interruption.first.then(() => stop('interrupted'))
  try {
    const [said, complaint, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ])
    if (stopped === 'interrupted') throw interrupted()
    const entries = await readReport(reportFile)
    if (code === 0) return entries
    const words = lastWords(complaint.trim() === '' ? said : complaint, secrets)
    throw failure(stopped === 'late' ? `did not end within ${LIMIT / 1000} s` : 'failed', entries, words)
  } finally {
    for (const timer of timers) clearTimeout(timer)
    interruption.dispose()
    endGroup(child.pid, 'SIGKILL')
    await rm(reportFile, { force: true })
  }
}

function endGroup(pid: number | undefined, how: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, how)
  } catch {
    // It has ended by itself.
  }
}

function interrupted(): CliError {
  return new CliError(
    'interrupted',
    'Interrupted: whether wrangler was done is not known.',
    'Give the same command again.',
  )
}

/** No telemetry, no look for updates, no colours, no log of its own in the home of the user, and nothing but what it is told. */
export function quiet(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...environment,
    CLOUDFLARE_ENV: undefined,
    CI: 'true',
    DO_NOT_TRACK: '1',
    NO_COLOR: '1',
    WRANGLER_HIDE_BANNER: 'true',
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_SEND_ERROR_REPORTS: 'false',
    WRANGLER_WRITE_LOGS: 'false',
  }
}

async function besideTheWorker(): Promise<Wrangler | undefined> {
  const worker = fileURLToPath(import.meta.resolve('@mux/edge/worker'))
  try {
    const manifest = createRequire(worker).resolve('wrangler/package.json')
    const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string }
    return { version, command: [process.execPath, join(dirname(manifest), 'bin', 'wrangler.js')] }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

async function onThePath(environment: NodeJS.ProcessEnv): Promise<Wrangler | undefined> {
  const child = spawn('wrangler', ['--version'], {
    env: quiet(environment),
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: VERSION_LIMIT,
    killSignal: 'SIGKILL',
  })
  try {
    const [said] = await Promise.all([text(child.stdout), once(child, 'close')])
    const version = /\d+\.\d+\.\d+/.exec(stripVTControlCharacters(said))?.[0]
    return version === undefined ? undefined : { version, command: ['wrangler'] }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function isOld(version: string): boolean {
  const found = version.split('.').map(Number)
  const differing = OLDEST.findIndex((part, at) => part !== (found[at] ?? 0))
  return differing >= 0 && (found[differing] ?? 0) < OLDEST[differing]!
}

async function readReport(file: string): Promise<WranglerEntry[]> {
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n')
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as WranglerEntry]
    } catch {
      return []
    }
  })
}

function failure(how: string, entries: readonly WranglerEntry[], details: readonly string[]): CliError {
  const failed = entries.find(({ type }) => type === 'command-failed')
  if (failed?.['code'] === AUTHENTICATION_ERROR)
    return new CliError('cloudflare_forbidden', 'Cloudflare does not let this API token deploy a Worker.', {
      details,
    })
  return new CliError('wrangler_failed', `wrangler ${how}.`, { details })
}

function lastWords(said: string, secrets: readonly string[]): string[] {
  const lines = stripVTControlCharacters(hidden(said, secrets))
    .split('\n')
    .map((line) => line.trim())
  return lines.filter((line) => line !== '').slice(-LAST_LINES)
}

function hidden(said: string, secrets: readonly string[]): string {
  return secrets.reduce((result, secret) => result.replaceAll(secret, '[secret]'), said)
}

function missing(message: string): CliError {
  return new CliError('wrangler_missing', message, 'Install it: npm install --global wrangler')
}

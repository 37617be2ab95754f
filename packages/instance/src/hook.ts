import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { InstanceDefinition } from './definition.ts'
import { prepareDwelling, removeDwelling } from './dwelling.ts'
import { findProgram } from './program.ts'
import { readSecrets } from './secrets.ts'
import { addressKind, launchPlan, SettingsError } from './settings.ts'

/** A command by which the data of an instance leave or enter did not do so. What it has said is on standard error. */
export class HookError extends Error {
  override readonly name = 'HookError'
}

export interface HookOptions {
  /** The field that it comes from, for messages. */
  field: string
  command: InstanceDefinition['command']
  definition: InstanceDefinition
  stateDirectory: string
  /** Of mux itself, of which the documented few are passed on. */
  environment: Readonly<NodeJS.ProcessEnv>
  /** What it reads; absent: nothing. */
  stdin?: AsyncIterable<Uint8Array>
  /** Takes what it writes, and is not ended; what it says besides goes to our standard error. */
  stdout: Writable
  /** Gives it up, with its process group. */
  signal: AbortSignal
}

/** How long data may take to leave or to enter, in milliseconds: hours, but not for ever. */
const LIMIT = 12 * 3_600_000

/**
 * Runs a command of an instance beside it: in its directory, under its user, with its settings. It has no limits and no sandbox.
 * @throws {HookError} when it ends with anything but 0; {@link SettingsError} when it cannot be started
 */
export async function runHook(options: HookOptions): Promise<void> {
  const { command, definition, stateDirectory, environment, stdin, stdout } = options
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(LIMIT)])
  const marker = `${definition.name}.hook.${randomBytes(16).toString('hex')}`
  const secrets = readSecrets(definition)
  // Where the instance would listen; nobody does, or it is another generation.
  const address =
    addressKind(definition) === 'port'
      ? { port: 0 }
      : { socketPath: join(stateDirectory, 'run', `${definition.name}.hook.sock`) }
  try {
    const { account, data } = await prepareDwelling(stateDirectory, definition, marker, signal)
    const plan = launchPlan({ ...definition, command }, { address, data, marker, secrets }, environment)
    const child = spawn(findProgram(plan), plan.arguments, {
      argv0: plan.program,
      cwd: plan.directory,
      env: plan.environment,
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'inherit'],
      detached: true,
      ...account,
    })
    const flow = Promise.all([
      pipeline(child.stdout!, stdout, { end: false }),
      stdin === undefined ? undefined : pipeline(stdin, child.stdin!).catch(unlessUnread),
    ])
    // How it ended says more.
    flow.catch(() => {})
    await ended(child, options.field, signal)
    await flow
  } catch (error) {
    if (error instanceof SettingsError)
      throw new SettingsError(error.message.replace(/^command:/, `${options.field}:`), { cause: error })
    throw error
  } finally {
    removeDwelling(stateDirectory, marker)
  }
}

/** A command may know before the end of what it reads that it has all. */
function unlessUnread(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
}

async function ended(child: ChildProcess, field: string, signal: AbortSignal): Promise<void> {
  const end = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  signal.addEventListener('abort', end, { once: true })
  try {
    if (signal.aborted) end()
    const [code, by] = await exit
    signal.throwIfAborted()
    if (code !== 0)
      throw new HookError(
        `The command of ${field} ${by === null ? `ended with ${code}` : `was ended by ${by}`}.`,
      )
  } finally {
    signal.removeEventListener('abort', end)
    // What it has left behind would go on writing.
    end()
  }
}

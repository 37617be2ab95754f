import { type ChildProcess as NodeChild, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Account } from './account.ts'
import { doorOf, ranOutOfMemory } from './cgroup.ts'
import { endTree, type TreeEnd } from './end-tree.ts'
import { type ProcessIdentity, signal, startTimeOf } from './process-tree.ts'
import { isIdle, launched, type Preparation, READY, REPORT_DESCRIPTOR, type Words } from './launcher.ts'
import { displayName, findProgram } from './program.ts'
import type { Exit, RunningProcess, StopOptions } from './running-process.ts'
import { type LaunchPlan, MARKER_VARIABLE, SettingsError } from './settings.ts'
import { within } from './wait.ts'

/** Milliseconds that a launcher may take to turn into the program. */
const LAUNCH_LIMIT = 10_000

/** A program that we started in a session of its own. */
export class ChildProcess implements RunningProcess {
  readonly identity: ProcessIdentity
  readonly exited: Promise<Exit>
  #exit: Exit | undefined
  #stopping: Promise<TreeEnd> | undefined

  private constructor(child: NodeChild, marker: string, cgroup: string | undefined) {
    const pid = child.pid!
    // One that not even SIGKILL ends, stuck in the kernel, must not keep the supervisor from ending.
    child.unref()
    this.identity = { pid, startTime: startTimeOf(pid), marker, cgroup }
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#exit = {
          code,
          signal,
          by: this.#stopping ? 'us' : 'crash',
          at: new Date(),
          outOfMemory: cgroup !== undefined && ranOutOfMemory(cgroup),
        }
        resolve(this.#exit)
      })
    })
  }

  /**
   * @param output descriptor that takes standard output and standard error; no pipe, so that a program outlives us
   * @returns when the program runs
   * @throws {SettingsError} when it can't be started, naming the field
   */
  static async launch(
    plan: LaunchPlan,
    instance: string,
    output: number,
    preparation: Preparation,
  ): Promise<ChildProcess> {
    const path = findProgram(plan)
    const program = { path, arguments: plan.arguments, argv0: displayName(path, plan, instance) }
    const needsLauncher = !isIdle(preparation)
    const words = needsLauncher ? launched(program, `mux:${instance}`, preparation) : program
    const { account, cgroup } = preparation
    const door = cgroup === undefined ? undefined : openSync(doorOf(cgroup), 'w')
    // In the order of REPORT_DESCRIPTOR and DOOR_DESCRIPTOR.
    const more = needsLauncher ? (['pipe', door] as const) : []
    const child = await spawned(plan, words, account, [output, output, ...more])
      .catch((error: unknown) => {
        throw startFailure(plan, account, error as NodeJS.ErrnoException)
      })
      .finally(() => door !== undefined && closeSync(door))
    let process: ChildProcess
    try {
      process = new ChildProcess(child, plan.environment[MARKER_VARIABLE]!, cgroup)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
    if (needsLauncher) await process.#becomesProgram(child, plan, preparation)
    return process
  }

  get exit(): Exit | undefined {
    return this.#exit
  }

  stop(options: StopOptions): Promise<TreeEnd> {
    this.#stopping ??= endTree(this.identity, {
      ...options,
      // Until its exit is known it has not been reaped, and its pid is nobody else's.
      isAlive: () => this.#exit === undefined,
      exited: this.exited,
    })
    return this.#stopping
  }

  /** @throws after the launcher has ended */
  async #becomesProgram(child: NodeChild, plan: LaunchPlan, preparation: Preparation): Promise<void> {
    const pipe = child.stdio[REPORT_DESCRIPTOR] as Readable
    const report = text(pipe).catch(() => '')
    if (!(await within(report, LAUNCH_LIMIT))) pipe.destroy()
    const lines = (await report).trim().split('\n')
    if (lines.at(-1) === READY) return
    if (!this.#exit) signal(-this.identity.pid, 'SIGKILL')
    await within(this.exited, LAUNCH_LIMIT)
    throw launcherFailure(plan, lines.at(-1)!, preparation)
  }
}

async function spawned(
  { directory, environment }: LaunchPlan,
  words: Words,
  account: Account | null,
  descriptors: readonly (number | 'pipe' | undefined)[],
): Promise<NodeChild> {
  const child = spawn(words.path, words.arguments, {
    argv0: words.argv0,
    cwd: directory,
    env: environment,
    detached: true,
    // No other groups are kept when a user is given.
    ...account,
    stdio: ['ignore', ...descriptors],
  })
  await once(child, 'spawn')
  return child
}

const NO_INTERPRETER = 'the interpreter that its first line names does not exist'
const NOT_PERMITTED = 'the system does not permit it to be executed'

/** What lies in the settings is told by field; what lies in the machine (no memory, no descriptors) may pass. */
function startFailure(plan: LaunchPlan, account: Account | null, error: NodeJS.ErrnoException): Error {
  if (account && error.code === 'EPERM') {
    return new SettingsError('user: the system does not let mux start something as another user.', {
      cause: error,
    })
  }
  const reasons: Record<string, string> = {
    ENOENT: NO_INTERPRETER,
    EACCES: NOT_PERMITTED,
    ENOEXEC: 'it is not a program of this machine, and has no first line that names an interpreter',
    E2BIG: 'its arguments and settings are too long',
  }
  const reason = reasons[error.code ?? '']
  if (reason === undefined) return error
  return new SettingsError(`command: ${plan.program} could not be started: ${reason}.`, { cause: error })
}

/** @param report the last that the launcher said: the field that can't be had, or `command` and the exit status of exec */
function launcherFailure(plan: LaunchPlan, report: string, { sandbox }: Preparation): Error {
  const [field = '', status] = report.split(' ')
  if (field === 'command') {
    // As the shell tells the two apart; the log has more.
    const reason = status === '127' ? NO_INTERPRETER : NOT_PERMITTED
    return new SettingsError(`command: ${plan.program} could not be started: ${reason}.`)
  }
  // bubblewrap tells its reasons where the program would write.
  if (field === '' && sandbox) return new SettingsError('sandbox: bwrap could not make one here.')
  if (field === '') return new Error('Its launcher ended before the program began.')
  return new SettingsError(`${field}: the system does not permit mux to set it so high.`)
}

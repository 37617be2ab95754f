import { type ChildProcess as NodeChild, spawn } from 'node:child_process'
import { once } from 'node:events'
import { endTree, type TreeEnd } from './end-tree.ts'
import { type ProcessIdentity, startTimeOf } from './process-tree.ts'
import { displayName, findProgram } from './program.ts'
import type { Exit, RunningProcess, StopOptions } from './running-process.ts'
import { type LaunchPlan, MARKER_VARIABLE, SettingsError } from './settings.ts'

/** A program that we started in a session of its own. */
export class ChildProcess implements RunningProcess {
  readonly identity: ProcessIdentity
  readonly exited: Promise<Exit>
  #exit: Exit | undefined
  #stopping: Promise<TreeEnd> | undefined

  private constructor(child: NodeChild, marker: string) {
    const pid = child.pid!
    this.identity = { pid, startTime: startTimeOf(pid), marker }
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#exit = { code, signal, by: this.#stopping ? 'us' : 'crash', at: new Date() }
        resolve(this.#exit)
      })
    })
  }

  /**
   * @param output descriptor that takes standard output and standard error; no pipe, so that a program outlives us
   * @throws {SettingsError} when it can't be started, naming the field
   */
  static async launch(plan: LaunchPlan, instance: string, output: number): Promise<ChildProcess> {
    const child = await spawned(plan, findProgram(plan), instance, output).catch((error: unknown) => {
      throw startFailure(plan, error as NodeJS.ErrnoException)
    })
    try {
      return new ChildProcess(child, plan.environment[MARKER_VARIABLE]!)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
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
}

async function spawned(plan: LaunchPlan, path: string, instance: string, output: number): Promise<NodeChild> {
  const child = spawn(path, plan.arguments, {
    argv0: displayName(path, plan, instance),
    cwd: plan.directory,
    env: plan.environment,
    detached: true,
    stdio: ['ignore', output, output],
  })
  await once(child, 'spawn')
  return child
}

/** What lies in the settings is told by field; what lies in the machine (no memory, no descriptors) may pass. */
function startFailure(plan: LaunchPlan, error: NodeJS.ErrnoException): Error {
  const reasons: Record<string, string> = {
    ENOENT: 'the interpreter that its first line names does not exist',
    EACCES: 'the system does not permit it to be executed',
    ENOEXEC: 'it is not a program of this machine, and has no first line that names an interpreter',
    E2BIG: 'its arguments and settings are too long',
  }
  const reason = reasons[error.code ?? '']
  if (reason === undefined) return error
  return new SettingsError(`command: ${plan.program} could not be started: ${reason}.`, { cause: error })
}

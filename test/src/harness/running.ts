import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { expectNoDefect, expectNoPassword } from './outcomes.ts'
import { muxCommand, type Project } from './project.ts'
import { within } from './until.ts'

/** For what hangs, and not for a machine that has much else to do, in milliseconds. */
const READY_LIMIT = 90_000
const END_LIMIT = 120_000

/** A supervisor in the foreground, as `mux up` runs it. */
export class Running {
  readonly child: ChildProcess
  readonly url: string
  readonly output: () => string
  readonly #closed: Promise<unknown>
  private constructor(child: ChildProcess, url: string, output: () => string) {
    this.child = child
    this.url = url
    this.output = output
    this.#closed = once(child, 'close')
  }

  /**
   * Starts `mux up --json` and returns when it says where it serves.
   * @param entrance what the command line begins with, to be run elsewhere
   */
  static async up(
    project: Project,
    args: readonly string[] = [],
    environment: Record<string, string> = {},
    entrance: readonly string[] = [],
  ): Promise<Running> {
    const [command, ...argv] = [...entrance, ...muxCommand(['up', '--json', ...args]).flat()]
    const child = spawn(command!, argv, {
      cwd: project.directory,
      env: { ...process.env, NO_COLOR: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
    const deadline = performance.now() + READY_LIMIT
    while (child.exitCode === null && child.signalCode === null && performance.now() < deadline) {
      const url = urlIn(stdout)
      if (url !== undefined) return new Running(child, url, () => stdout + stderr)
      await wait(10)
    }
    child.kill('SIGKILL')
    throw new Error(`mux up did not become ready:\n${stdout}${stderr}`)
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** Returns when it has ended, by itself or not, and all of its output is there. */
  async ended(): Promise<void> {
    await within('the end of mux up', this.#closed, END_LIMIT)
  }

  /** Ends it as Ctrl-C does, if it has not ended; resolves with its exit code. It must not have met a defect until then. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.hasEnded) this.child.kill(signal)
    await this.ended()
    expectNoDefect(this.output())
    expectNoPassword(this.output())
    return this.child.exitCode
  }
}

/** The document of `mux up --json`, once all of it is there. */
function urlIn(stdout: string): string | undefined {
  try {
    return JSON.parse(stdout).url
  } catch {
    return undefined
  }
}

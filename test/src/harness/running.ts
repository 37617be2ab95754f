import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { muxCommand, type Project } from './project.ts'

const READY_LIMIT = 30_000
const END_LIMIT = 45_000

/** A supervisor in the foreground, as `mux up` runs it. */
export class Running {
  readonly child: ChildProcess
  readonly url: string
  readonly output: () => string
  private constructor(child: ChildProcess, url: string, output: () => string) {
    this.child = child
    this.url = url
    this.output = output
  }

  /** Starts `mux up` and returns when `mux status` answers. */
  static async up(
    project: Project,
    args: readonly string[] = [],
    environment: Record<string, string> = {},
  ): Promise<Running> {
    const [command, argv] = muxCommand(['up', ...args])
    const child = spawn(command, argv, {
      cwd: project.directory,
      env: { ...process.env, NO_COLOR: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text))
    const deadline = performance.now() + READY_LIMIT
    while (child.exitCode === null && child.signalCode === null) {
      const status = await project.run(['status', '--json'])
      if (status.code === 0) return new Running(child, status.json().url, () => output)
      if (performance.now() > deadline) break
      await wait(50)
    }
    child.kill('SIGKILL')
    throw new Error(`mux up did not become ready:\n${output}`)
  }

  /** Ends it as Ctrl-C does; resolves with its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode
    const ended = once(this.child, 'exit', { signal: AbortSignal.timeout(END_LIMIT) })
    this.child.kill(signal)
    await ended
    return this.child.exitCode
  }
}

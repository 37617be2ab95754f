import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { until } from './until.ts'

type Find<T> = (value: any) => T | undefined // oxlint-disable-line typescript/no-explicit-any -- a test reads whatever a program says

/** A program that says what happens, one JSON value a line on its standard output. */
export class JsonLines {
  readonly child: ChildProcess
  readonly said: unknown[] = []
  /** What it has said on standard error. */
  errors = ''

  constructor(
    command: string,
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ) {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    createInterface(child.stdout).on('line', (line) => this.said.push(parse(line)))
    child.stderr.setEncoding('utf8').on('data', (text) => (this.errors += text))
    this.child = child
  }

  /** The first value that `find` makes something of, once it is there. */
  heard<T>(what: string, find: Find<T>, limit?: number): Promise<T> {
    return until(
      what,
      () => {
        if (this.child.exitCode !== null)
          throw new Error(`it ended with ${this.child.exitCode}:\n${this.errors}`)
        return this.said.map(find).find((found) => found !== undefined)
      },
      limit,
    )
  }

  /** The latest value so far that `find` makes something of. */
  last<T>(what: string, find: Find<T>): T {
    const found = this.said.map(find).findLast((one) => one !== undefined)
    if (found === undefined) throw new Error(`${what}: it said nothing of that`)
    return found
  }

  async end(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, 'exit', { signal: AbortSignal.timeout(45_000) })
      this.child.kill('SIGTERM')
      await ended
    }
    return this.child.exitCode
  }
}

/** What another program says on the same stream stands as it is. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return line
  }
}

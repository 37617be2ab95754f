import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { until, within } from './until.ts'

const END_LIMIT = 120_000

type Find<T> = (value: any) => T | undefined // oxlint-disable-line typescript/no-explicit-any -- a test reads whatever a program says

/** A program that says what happens, one JSON value a line on its standard output. */
export class JsonLines {
  readonly child: ChildProcess
  readonly said: unknown[] = []
  /** What it has said on standard error. */
  errors = ''
  readonly #closed: Promise<unknown>

  constructor(
    command: string,
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ) {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    createInterface(child.stdout).on('line', (line) => this.said.push(parse(line)))
    child.stderr.setEncoding('utf8').on('data', (text) => (this.errors += text))
    this.child = child
    this.#closed = once(child, 'close')
    this.#closed.catch(() => {})
  }

  /** The first value that `find` makes something of, once it is there. */
  heard<T>(what: string, find: Find<T>, limit?: number): Promise<T> {
    return until(
      what,
      () => {
        const found = this.said.map(find).find((one) => one !== undefined)
        const end = this.child.exitCode ?? this.child.signalCode
        if (found === undefined && end !== null) throw new Error(`it ended with ${end}:\n${this.errors}`)
        return found
      },
      limit,
    )
  }

  /** Its exit code, once it has ended by itself and all that it said is there. */
  async ended(limit: number): Promise<number | null> {
    await within('its end', this.#closed, limit)
    return this.child.exitCode
  }

  end(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.ended(END_LIMIT)
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

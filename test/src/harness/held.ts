import { expect } from 'vitest'
import { ask } from './client.ts'
import { JsonLines } from './json-lines.ts'
import { expectNoDefect } from './outcomes.ts'
import { FIXTURES, muxCommand, type Project } from './project.ts'
import { until } from './until.ts'

const END_LIMIT = 45_000

/** `mux up` under a parent that holds its listening socket, and starts the next one whenever it has ended. */
export class Held {
  readonly url: string
  readonly #holder: JsonLines
  private constructor(holder: JsonLines, url: string) {
    this.#holder = holder
    this.url = url
  }

  /**
   * @param environment added to that of mux
   * @param address where the socket listens; it is reached by loopback
   */
  static async up(
    project: Project,
    environment: NodeJS.ProcessEnv = {},
    address = '127.0.0.1',
  ): Promise<Held> {
    const [command, args] = muxCommand(['up'])
    const holder = new JsonLines('python3', [`${FIXTURES}/socket-holder.py`, address, command, ...args], {
      cwd: project.directory,
      env: { ...process.env, NO_COLOR: '1', ...environment },
    })
    const port = await holder.heard('the port', ({ port }) => port as number | undefined)
    return new Held(holder, `http://127.0.0.1:${port}`)
  }

  /** The process that was started last; before it answers, too. */
  get pid(): number {
    return this.#holder.last('a start', ({ started }) => started as number | undefined)
  }

  /** The process that serves now: the one that was started last, once it answers. */
  async serving(): Promise<number> {
    expect((await ask(this.url, '/_mux/health')).status).toBe(200)
    return this.pid
  }

  /** Ends the one that runs, and returns which that was, when it has ended; the next one may not serve yet. */
  async replace(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    const { pid } = this
    process.kill(pid, signal)
    const isIt = ({ ended }: { ended?: number }) => (ended === pid ? true : undefined)
    await this.#holder.heard('its end', isIt, END_LIMIT)
    return pid
  }

  /** The exit code of the one that runs, which ends by itself with a failure, and what it said. */
  async failure(): Promise<{ code: number | null; said: string }> {
    const { child } = this.#holder
    await until('its end', () => child.exitCode !== null || undefined, END_LIMIT)
    return { code: child.exitCode, said: this.#holder.errors }
  }

  /** Ends the one that runs, and the parent. None of them may have met a defect. */
  async end(): Promise<void> {
    await this.#holder.end()
    expectNoDefect(this.#holder.errors)
  }
}

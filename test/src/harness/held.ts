import { expect } from 'vitest'
import { ask } from './client.ts'
import { JsonLines } from './json-lines.ts'
import { expectNoDefect } from './outcomes.ts'
import { FIXTURES, muxCommand, type Project } from './project.ts'

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

  #told(what: 'started' | 'ended'): number[] {
    return this.#holder.said
      .map((said) => (said as { [what: string]: number })[what])
      .filter((pid) => pid !== undefined)
  }

  /** The process that runs, which may not answer yet. Between two there is none for a moment. */
  #running(): Promise<number> {
    return this.#holder.heard('a start', () => {
      const started = this.#told('started')
      return started.length > this.#told('ended').length ? started.at(-1) : undefined
    })
  }

  /** The process that serves now: the one that was started last, once it answers. */
  async serving(): Promise<number> {
    expect((await ask(this.url, '/_mux/health')).status).toBe(200)
    return this.#running()
  }

  /** Ends the one that runs, and returns which that was, when it has ended; the next one may not serve yet. */
  async replace(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    const pid = await this.#running()
    const before = this.#told('ended').length
    // Its parent has not taken leave of it, so the number is its own.
    process.kill(pid, signal)
    await this.#holder.heard('its end', () => this.#told('ended').length > before || undefined, END_LIMIT)
    return pid
  }

  /** The exit code of the one that runs, which ends by itself with a failure, and what it said. */
  async failure(): Promise<{ code: number | null; said: string }> {
    const code = await this.#holder.ended(END_LIMIT)
    return { code, said: this.#holder.errors }
  }

  /** Ends the one that runs, and the parent. None of them may have met a defect. */
  async end(): Promise<void> {
    await this.#holder.end()
    expectNoDefect(this.#holder.errors)
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { FIXTURES, type Outcome, type Project } from './project.ts'

const MAIN = join(dirname(createRequire(import.meta.url).resolve('mux/package.json')), 'dist/main.js')
/**
 * How long a command line, or the start, may take before it counts as hanging, in milliseconds. Most end within 50, but a
 * disk that is busy with other things can keep a durable write for seconds, and some wait for processes of an instance.
 */
const LIMIT = 180_000

/** A process in a project in which command lines are run one after the other; for tables of many of them. */
export class CommandLines {
  readonly #child: ChildProcess
  readonly #replies: AsyncIterator<string>
  private constructor(child: ChildProcess) {
    this.#child = child
    this.#replies = createInterface({ input: child.stdio[4] as Readable })[Symbol.asyncIterator]()
    // Written to after its end; the missing reply tells.
    child.stdio[3]!.on('error', () => {})
  }

  /** @param environment what is added to that of the tests */
  static async start(project: Project, environment: NodeJS.ProcessEnv = {}): Promise<CommandLines> {
    const child = spawn(process.execPath, [join(FIXTURES, 'command-lines.mjs'), MAIN], {
      cwd: project.directory,
      env: { ...process.env, NO_COLOR: '1', ...environment },
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'],
    })
    const lines = new CommandLines(child)
    await lines.#reply('the process for command lines')
    return lines
  }

  /**
   * @param input what it finds on standard input
   * @throws {Error} when the command line hangs, or ends the process that it runs in
   */
  async run(argv: readonly string[], input = ''): Promise<Outcome> {
    const reply = this.#reply(`mux ${argv.join(' ')}`)
    ;(this.#child.stdio[3] as Writable).write(`${JSON.stringify({ argv, input })}\n`)
    const { code, stdout, stderr } = JSON.parse(await reply) as {
      code: number
      stdout: string
      stderr: string
    }
    return { code, signal: null, stdout, stderr, json: () => JSON.parse(stdout) }
  }

  /** As {@link run}, for what must succeed. */
  async must(argv: readonly string[], input?: string): Promise<Outcome> {
    const outcome = await this.run(argv, input)
    if (outcome.code !== 0)
      throw new Error(`mux ${argv.join(' ')} ended with ${outcome.code}:\n${outcome.stdout}${outcome.stderr}`)
    return outcome
  }

  end(): void {
    this.#child.kill('SIGKILL')
  }

  async #reply(what: string): Promise<string> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      this.end()
      late.reject(new Error(`${what}: no end within ${LIMIT} ms`))
    }, LIMIT)
    try {
      const reply = await Promise.race([this.#replies.next(), late.promise])
      if (reply.done === true) throw new Error(`${what}: the process has ended`)
      return reply.value
    } finally {
      clearTimeout(timer)
    }
  }
}

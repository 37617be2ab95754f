import { type ChildProcess, fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { FIXTURES, type Outcome, type Project } from './project.ts'

const MAIN = join(dirname(createRequire(import.meta.url).resolve('mux/package.json')), 'dist/main.js')
/** How long one command line may take before it counts as hanging, in milliseconds. */
const LIMIT = 5_000

/** A process in a project in which command lines are run one after the other; for tables of many of them. */
export class CommandLines {
  readonly #child: ChildProcess
  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(project: Project): Promise<CommandLines> {
    const child = fork(join(FIXTURES, 'command-lines.mjs'), [MAIN], {
      cwd: project.directory,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const lines = new CommandLines(child)
    await lines.#message('to start', 20_000)
    return lines
  }

  /** @throws {Error} when the command line hangs, or ends the process that it runs in */
  async run(argv: readonly string[]): Promise<Outcome> {
    const reply = this.#message(`mux ${argv.join(' ')}`, LIMIT)
    this.#child.send(argv)
    const { code, stdout, stderr } = (await reply) as { code: number; stdout: string; stderr: string }
    return { code, signal: null, stdout, stderr, json: () => JSON.parse(stdout) }
  }

  end(): void {
    this.#child.kill('SIGKILL')
  }

  #message(what: string, limit: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer)
        this.#child.off('message', onMessage)
        this.#child.off('exit', onExit)
      }
      const onMessage = (message: unknown) => {
        done()
        resolve(message)
      }
      const onExit = () => {
        done()
        reject(new Error(`${what}: the process has ended`))
      }
      const timer = setTimeout(() => {
        done()
        reject(new Error(`${what}: no end within ${limit} ms`))
      }, limit)
      this.#child.once('message', onMessage)
      this.#child.once('exit', onExit)
    })
  }
}

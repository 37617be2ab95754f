import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const BIN = join(dirname(createRequire(import.meta.url).resolve('mux/package.json')), 'bin/run.js')
export const FIXTURES = join(import.meta.dirname, '../fixtures')

/** How long a command may take before the test says that it hung. */
const COMMAND_LIMIT = 180_000

export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** stdout as the one JSON document that it must be. */
  json: () => any // oxlint-disable-line typescript/no-explicit-any -- a test reads whatever a command prints
}

export interface RunOptions {
  input?: string | Buffer
  /** Added to the environment. */
  env?: Record<string, string>
  /** User id to run as; the tests' own if absent. */
  uid?: number | undefined
}

/** A directory of an operator: a mux.yaml, its state, and the command line run in it. */
export class Project {
  readonly directory: string
  /** Added to the environment of each command. */
  readonly environment: Record<string, string>
  private constructor(directory: string, environment: Record<string, string>) {
    this.directory = directory
    this.environment = environment
  }

  static async create(muxYaml: string | null, environment: Record<string, string> = {}): Promise<Project> {
    const project = new Project(await mkdtemp(join(tmpdir(), 'mux-test-')), environment)
    if (muxYaml !== null) await project.write('mux.yaml', muxYaml)
    return project
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts)
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(name)), { recursive: true })
    await writeFile(this.path(name), text)
  }

  read(name: string): Promise<string> {
    return readFile(this.path(name), 'utf8')
  }

  /** Runs `mux ARGS…` in this project to its end. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const env = { ...this.environment, ...options.env }
    return runMux(args, { ...options, env, cwd: this.directory })
  }

  /** Runs a command that the test takes for granted. */
  async must(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const outcome = await this.run(args, options)
    if (outcome.code !== 0) {
      throw new Error(
        `mux ${args.join(' ')} ended with ${outcome.code ?? outcome.signal}:\n${outcome.stdout}${outcome.stderr}`,
      )
    }
    return outcome
  }

  /** Adds a user whose password is the name itself, eight characters at least. */
  async addUser(name: string, instance: string): Promise<void> {
    await this.must(['user', 'add', name, '--instance', instance, '--password-stdin'], {
      input: `${passwordOf(name)}\n`,
    })
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}

export function passwordOf(name: string): string {
  return `${name}-password`
}

export function basic(name: string, password = passwordOf(name)): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

export function muxCommand(args: readonly string[]): [string, string[]] {
  return [process.execPath, [BIN, ...args]]
}

function runMux(args: readonly string[], options: RunOptions & { cwd: string }): Promise<Outcome> {
  const [command, argv] = muxCommand(args)
  const child = spawn(command, argv, {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: 'pipe',
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    timeout: COMMAND_LIMIT,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  // A command that ends without reading what it was given closes the pipe under us; its exit code tells.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) =>
      resolve({ code, signal, stdout, stderr, json: () => JSON.parse(stdout) }),
    )
  })
}

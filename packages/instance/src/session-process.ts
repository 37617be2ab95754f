import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { endTree } from './end-tree.ts'
import { startTimeOf } from './process-tree.ts'
import { inheritedEnvironment, MARKER_VARIABLE } from './settings.ts'

export interface SessionProcessOptions {
  /** Program and arguments. */
  words: readonly [string, ...string[]]
  directory: string
  /** Our own environment, of which a documented few are passed on. */
  environment: Readonly<NodeJS.ProcessEnv>
  /** What it gets besides. */
  variables: Readonly<NodeJS.ProcessEnv>
  stdin: Readable
}

/** A program that runs for somebody who reads what it says, in a session of its own. */
export interface SessionProcess {
  readonly stdout: Readable
  readonly stderr: Readable
  /** What it ended with: 128 and the number of the signal where it was one. */
  readonly exited: Promise<number>
  /** Ends it with its whole tree, in a few seconds at most. */
  end(): Promise<void>
}

/** Milliseconds from SIGTERM to SIGKILL. */
const END_LIMIT = 2_000

/**
 * It has a channel of IPC, by whose end it can tell that we are gone, however we went.
 * @throws the error of the system when it cannot be started
 */
export async function startSession(options: SessionProcessOptions): Promise<SessionProcess> {
  const { words, directory, environment, variables, stdin } = options
  const [file, ...args] = words
  const marker = randomUUID()
  const child = spawn(file, args, {
    cwd: directory,
    env: { ...inheritedEnvironment(environment), ...variables, [MARKER_VARIABLE]: marker },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
  })
  await once(child, 'spawn')
  const pid = child.pid!
  const identity = { pid, startTime: startTimeOf(pid), marker }
  let hasExited = false
  const exited = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => {
      hasExited = true
      resolve(code ?? 128 + constants.signals[signal!])
    })
  })
  // One that does not want its input is not failed by that.
  child.stdin!.on('error', () => {})
  stdin.on('error', () => child.stdin!.destroy())
  stdin.pipe(child.stdin!)
  let ending: Promise<unknown> | undefined
  const end = () =>
    endTree(identity, {
      signal: 'SIGTERM',
      limit: END_LIMIT,
      hurry: new AbortController().signal,
      // Until its exit is known it has not been reaped, and its pid is nobody else's.
      isAlive: () => !hasExited,
      exited,
    })
  return {
    stdout: child.stdout!,
    stderr: child.stderr!,
    exited,
    end: async () => {
      await (ending ??= end())
    },
  }
}

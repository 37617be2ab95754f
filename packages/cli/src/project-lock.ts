import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { CliError } from './errors.ts'
import { ensureStateDirectory, type Project } from './project.ts'

/** How long a command waits for the one before it, in milliseconds. Each holds the lock for a few. */
const PATIENCE = 15_000
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs `task` while no other process changes this project: mux.yaml, its secrets, and which instance is whose. Ctrl-C
 * takes effect before the task or after it.
 * @throws {CliError} `locked` when another one does not come to an end
 */
export function withProjectLock<Result>(project: Project, task: () => Promise<Result>): Promise<Result> {
  return withLock(project, 'change', () => uninterrupted(task))
}

/**
 * Runs `task` while no other process holds the lock of this name. It is SQLite's on a file of its own, so that the kernel
 * frees it however the process ends.
 * @throws {CliError} `locked` when another one does not come to an end
 */
export async function withLock<Result>(
  project: Project,
  name: 'change' | 'push' | 'keys' | 'deploy' | 'move',
  task: () => Promise<Result>,
): Promise<Result> {
  await ensureStateDirectory(project)
  const database = new DatabaseSync(join(project.state.run, `${name}.lock`))
  try {
    await acquire(database)
    return await task()
  } finally {
    database.close()
  }
}

async function acquire(database: DatabaseSync): Promise<void> {
  const deadline = performance.now() + PATIENCE
  for (;;) {
    try {
      database.exec('BEGIN EXCLUSIVE')
      return
    } catch (error) {
      if (!isBusy(error)) throw error
      if (performance.now() > deadline)
        throw new CliError(
          'locked',
          'Another mux command is changing this project and does not come to an end.',
          {
            hint: 'Look for it with: ps -ef | grep mux',
            cause: error,
          },
        )
    }
    await sleep(5 + Math.random() * 20)
  }
}

/** What a task does in several files is done to its end, or the operator would find half of it. */
async function uninterrupted<Result>(task: () => Promise<Result>): Promise<Result> {
  let came: NodeJS.Signals | undefined
  const remember = (signal: NodeJS.Signals) => {
    came ??= signal
  }
  for (const signal of SIGNALS) process.on(signal, remember)
  try {
    return await task()
  } finally {
    for (const signal of SIGNALS) process.off(signal, remember)
    if (came !== undefined) process.kill(process.pid, came)
  }
}

function isBusy(error: unknown): boolean {
  const SQLITE_BUSY = 5
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY
}

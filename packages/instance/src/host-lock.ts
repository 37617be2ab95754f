import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface HostLock {
  release(): void
}

export interface LockHolder {
  pid: number
  /** ISO time. */
  since: string
}

/** Another supervisor works on the same state. */
export class HostLockedError extends Error {
  override readonly name = 'HostLockedError'
  readonly code = 'host_locked'
  /** Null in the moment in which it has the lock and has not yet said who it is. */
  readonly holder: LockHolder | null
  constructor(holder: LockHolder | null, options: ErrorOptions) {
    super(`A supervisor${holder ? ` (pid ${holder.pid})` : ''} is already running here.`, options)
    this.holder = holder
  }
}

/**
 * Makes this process the one supervisor of a state directory. The lock is the kernel's, taken by SQLite on a file of
 * its own, so it is gone with the process however that ends; the file beside it only says whose it is.
 * @throws {HostLockedError} at once, when another has it
 */
export function lockHost(stateDirectory: string): HostLock {
  const run = join(stateDirectory, 'run')
  mkdirSync(run, { recursive: true, mode: 0o700 })
  const notice = join(run, 'host.json')
  const database = lock(join(run, 'host.lock'), notice)
  writeFileSync(`${notice}.new`, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }), {
    mode: 0o600,
  })
  renameSync(`${notice}.new`, notice)
  return {
    release() {
      if (!database.isOpen) return
      try {
        rmSync(notice, { force: true })
      } catch {
        // On a disk that can't be written it stays, and says nothing without the lock.
      }
      database.close()
    },
  }
}

function lock(file: string, notice: string): DatabaseSync {
  const database = new DatabaseSync(file)
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    if (isBusy(error)) throw new HostLockedError(readNotice(notice), { cause: error })
    if (!isDamaged(error)) throw error
  }
  // It has nothing in it that could be lost, and nobody has it: of one that is locked, SQLite reads nothing.
  truncateSync(file)
  return lock(file, notice)
}

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
function isDamaged(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode
  return code === 11 || code === 26
}

/** SQLITE_BUSY and SQLITE_LOCKED, https://sqlite.org/rescode.html */
function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode
  return code === 5 || code === 6
}

function readNotice(path: string): LockHolder | null {
  try {
    const { pid, since } = JSON.parse(readFileSync(path, 'utf8')) as Partial<LockHolder>
    return typeof pid === 'number' && typeof since === 'string' ? { pid, since } : null
  } catch {
    return null
  }
}

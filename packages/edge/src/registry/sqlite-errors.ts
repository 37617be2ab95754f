import { RegistryError } from './registry.ts'

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
const BUSY = 5
/** No code of SQLite: what `node:sqlite` throws itself on a database that was closed. */
const CLOSED = -1
const REASONS: Readonly<Record<number, string>> = {
  [CLOSED]: 'is closed.',
  3: 'may not be used by this user.',
  [BUSY]: 'has been locked by another process for too long.',
  6: 'has been locked by another process for too long.',
  8: 'may not be written by this user.',
  10: 'cannot be read or written: the disk reports an error.',
  11: 'is damaged. Put a backup in its place.',
  13: 'cannot be written: the disk is full.',
  14: 'cannot be opened. See that it is a file of this user, in a directory that this user may write.',
  26: 'is no SQLite database. Put a backup in its place.',
}

const FILE_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'cannot be created: its directory does not exist, or it is a link to a file that does not.',
  ENOTDIR: 'cannot be created: its directory is no directory.',
  EACCES: 'may not be created by this user.',
  EPERM: 'may not be created by this user.',
  EROFS: 'cannot be created: the file system is read-only.',
  ENOSPC: 'cannot be created: the disk is full.',
  EDQUOT: 'cannot be created: the disk is full.',
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === BUSY
}

/** Runs `work` on the database; what SQLite itself throws becomes a {@link RegistryError}, anything else passes. */
export function translateSqlite<Result>(file: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    const code = resultCode(error)
    if (code === undefined) throw error
    throw unavailable(file, REASONS[code] ?? `cannot be used: ${(error as Error).message}.`, error)
  }
}

/** The same for calls of `node:fs`. */
export function translateFile<Result>(file: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    throw unavailable(file, FILE_REASONS[code] ?? `cannot be created: ${code}.`, error)
  }
}

function unavailable(file: string, reason: string, cause: unknown): RegistryError {
  return new RegistryError('registry_unavailable', `The registry ${file} ${reason}`, { cause })
}

function resultCode(error: unknown): number | undefined {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  if (code === 'ERR_SQLITE_ERROR' && typeof errcode === 'number') return errcode & 0xff
  return code === 'ERR_INVALID_STATE' ? CLOSED : undefined
}

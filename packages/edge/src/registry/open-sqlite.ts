import { closeSync, fchmodSync, openSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { isBusy, translateFile } from './sqlite-errors.ts'

const IN_MEMORY = ':memory:'

/**
 * Opens a database with a write-ahead log, and creates its file (mode 0600) when there is none. `:memory:` is no file.
 * @param patience how long one call waits for the writes of other processes, in milliseconds
 * @throws {RegistryError} when the file cannot be created; what SQLite throws, as it is
 */
export function openSqlite(file: string, patience: number): DatabaseSync {
  if (file !== IN_MEMORY) createPrivate(file)
  const database = new DatabaseSync(file, { timeout: patience })
  try {
    useWriteAheadLog(database, patience)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * SQLite gives its -wal and -shm files the mode of the main file, so that one has to be right before SQLite opens it. One
 * that exists is not touched at all: its mode is the operator's, and to open and close it would free the locks that
 * another connection of this process holds on it (https://sqlite.org/howtocorrupt.html, section 2.2).
 */
function createPrivate(file: string): void {
  translateFile(file, () => {
    let descriptor: number
    try {
      descriptor = openSync(file, 'wx', 0o600)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      // Through a link to nothing, SQLite would create a file that everybody can read.
      statSync(file)
      return
    }
    try {
      fchmodSync(descriptor, 0o600)
    } finally {
      closeSync(descriptor)
    }
  })
}

/** The change of the journal needs the file to itself, and SQLite's own busy timeout does not apply to it. */
function useWriteAheadLog(database: DatabaseSync, patience: number): void {
  const deadline = performance.now() + patience
  for (;;) {
    try {
      database.exec('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5 + Math.random() * 20)
    }
  }
}

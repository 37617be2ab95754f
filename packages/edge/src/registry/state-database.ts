import type { DatabaseSync } from 'node:sqlite'
import { openSqlite } from './open-sqlite.ts'
import { RegistryError } from './registry.ts'

export interface StateDatabaseOptions {
  /** What it is called in messages, such as `state of the edge`. */
  name: string
  /** The layout of the tables; a file of a higher one is refused. */
  schema: number
  /** Statements that make the tables, where they are not there. */
  tables: string
  /** What to do about a file that is damaged, as half a sentence. */
  remedy: string
}

/** What a process knows beyond its own end, apart from the registry. */
export interface StateDatabase {
  readonly database: DatabaseSync
  /** @throws {RegistryError} `registry_unavailable` for whatever `work` throws */
  readonly translated: <Result>(work: () => Result) => Result
  /** Does what has to be on the disk when it returns, also after a loss of power; all else may be forgotten then. */
  readonly durably: (work: () => void) => void
  readonly close: () => void
}

/** How long a call waits for another process, in milliseconds. There should be none: a host has one supervisor. */
const PATIENCE = 1_000

/**
 * Opens the file, and creates it (mode 0600) when there is none. One that is damaged is not replaced by itself: what was
 * shut out by it would be let in again.
 * @throws {RegistryError} `registry_unavailable`; `registry_newer` when a later mux wrote it
 */
export function openStateDatabase(
  file: string,
  { name, schema, tables, remedy }: StateDatabaseOptions,
): StateDatabase {
  const translated = <Result>(work: () => Result): Result => {
    try {
      return work()
    } catch (cause) {
      if (cause instanceof RegistryError) throw cause
      throw new RegistryError(
        'registry_unavailable',
        `The ${name} ${file} cannot be used. If it is damaged, remove it, and ${remedy}.`,
        { cause },
      )
    }
  }
  const database = translated(() => openSqlite(file, PATIENCE))
  const close = () => {
    if (database.isOpen) database.close()
  }
  try {
    translated(() => {
      const version = Number(database.prepare('PRAGMA user_version').get()!['user_version'])
      if (version > schema)
        throw new RegistryError(
          'registry_newer',
          `The ${name} ${file} has version ${version}, and this mux knows ${schema}.`,
        )
      database.exec(`PRAGMA synchronous = NORMAL; ${tables}; PRAGMA user_version = ${schema}`)
    })
  } catch (error) {
    close()
    throw error
  }
  return {
    database,
    translated,
    durably: (work) =>
      translated(() => {
        database.exec('PRAGMA synchronous = FULL')
        try {
          work()
        } finally {
          database.exec('PRAGMA synchronous = NORMAL')
        }
      }),
    close,
  }
}

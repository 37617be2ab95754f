import type { DatabaseSync } from 'node:sqlite'
import { decodeRecord, encodeRecord, type RecordKind, type Records } from '@mux/contract'
import { decodeOrError } from './decode-or-error.ts'
import { openSqlite } from './open-sqlite.ts'
import { RecordCache } from './record-cache.ts'
import {
  type ChangeOptions,
  type Decide,
  type RegistryChange,
  RegistryError,
  type RegistryStore,
} from './registry.ts'
import { translateSqlite } from './sqlite-errors.ts'

/** The layout of the tables; a file of a higher one is refused. */
const SCHEMA = 1
/**
 * How long one call waits for the writes of other processes, in milliseconds. SQLite does not let them in by order of
 * arrival: with fifty on a busy machine, some have waited for more than five seconds. Reading waits for no writer.
 */
const BUSY_TIMEOUT = 15_000
const CACHE_CAPACITY = 20_000

/**
 * Opens the registry of one machine, and creates it (mode 0600) when there is none. Any number of processes may have it
 * open; what one of them writes, every other `read`s from its next turn of the event loop on.
 * @throws {RegistryError} `registry_newer` when a later mux wrote it, `registry_unavailable` when it cannot be used
 */
export function openSqliteRegistry(file: string): RegistryStore {
  const { database, dataVersion, select, selectAll, upsert, remove } = translateSqlite(file, () =>
    openDatabase(file),
  )
  const cache = new RecordCache({ capacity: CACHE_CAPACITY })
  let cachedVersion: unknown
  let compared = false

  function readStored<Kind extends RecordKind>(kind: Kind, name: string): Records[Kind] | undefined {
    const row = select.get(kind, name)
    return row === undefined ? undefined : decodeRecord(kind, name, String(row['value']))
  }

  function readCached<Kind extends RecordKind>(kind: Kind, name: string): Records[Kind] | undefined {
    if (!compared) dropOutdated()
    const cached = cache.get(kind, name)
    if (cached !== undefined) return cached.record
    const record = readStored(kind, name)
    cache.set(kind, name, record)
    return record
  }

  /**
   * Once in a turn of the event loop: whoever asks in the same turn was heard before it began, and so before anything
   * that another process has written since.
   */
  function dropOutdated(): void {
    const version = dataVersion.get()?.['data_version']
    if (version !== cachedVersion) {
      cache.clear()
      cachedVersion = version
    }
    compared = true
    setImmediate(() => {
      compared = false
    })
  }

  function write({ kind, name, record }: RegistryChange): void {
    if (record === null) remove.run(kind, name)
    else upsert.run(kind, name, encodeRecord(kind, name, record))
  }

  function transact<Result>(decide: Decide<Result>, { patience = BUSY_TIMEOUT }: ChangeOptions): Result {
    database.exec(`PRAGMA busy_timeout = ${patience}`)
    database.exec('BEGIN IMMEDIATE')
    try {
      const { changes, result } = decide(readStored)
      for (const change of changes) write(change)
      database.exec('COMMIT')
      // The version tells of the writes of others only.
      for (const { kind, name } of changes) cache.delete(kind, name)
      return result
    } catch (error) {
      // After some errors, a full disk among them, SQLite has rolled back already.
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  return {
    read: async (kind, name) => translateSqlite(file, () => readCached(kind, name)),
    list: async (kind) =>
      translateSqlite(file, () => selectAll.all(kind)).map((row) => {
        const name = String(row['name'])
        return { name, record: decodeOrError(kind, name, String(row['value'])) }
      }),
    change: async (decide, options = {}) => translateSqlite(file, () => transact(decide, options)),
    close: () => {
      if (database.isOpen) database.close()
    },
  }
}

function openDatabase(file: string) {
  const database = openSqlite(file, BUSY_TIMEOUT)
  try {
    database.exec('PRAGMA synchronous = FULL')
    prepareSchema(database, file)
    return {
      database,
      dataVersion: database.prepare('PRAGMA data_version'),
      select: database.prepare('SELECT value FROM records WHERE kind = ? AND name = ?'),
      selectAll: database.prepare('SELECT name, value FROM records WHERE kind = ? ORDER BY name'),
      upsert: database.prepare(
        'INSERT INTO records (kind, name, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
      ),
      remove: database.prepare('DELETE FROM records WHERE kind = ? AND name = ?'),
    }
  } catch (error) {
    database.close()
    throw error
  }
}

/** One transaction: a process that dies in it leaves an empty file, which the next one fills. */
function prepareSchema(database: DatabaseSync, file: string): void {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
  if (tables.all().length === 0) {
    database.exec(`
      BEGIN IMMEDIATE;
      CREATE TABLE IF NOT EXISTS schema (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS records (
        kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name)
      ) STRICT, WITHOUT ROWID;
      INSERT OR IGNORE INTO schema (only, version) VALUES (1, ${SCHEMA});
      COMMIT`)
  }
  if (!tables.all().some((row) => row['name'] === 'schema')) {
    throw new RegistryError('registry_unavailable', `${file} is a database, but no registry of mux.`)
  }
  const version = database.prepare('SELECT version FROM schema').get()?.['version']
  if (version === SCHEMA) return
  throw new RegistryError(
    'registry_newer',
    `The registry ${file} has version ${String(version)}, and this mux knows ${SCHEMA}. Use the mux that wrote it, or a later one.`,
  )
}

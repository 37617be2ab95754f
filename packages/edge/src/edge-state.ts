import type { DatabaseSync } from 'node:sqlite'
import type { EndedSession, EndedSessionsStore } from './ended-sessions.ts'
import { FAILURE_WINDOW, type FailureKind, type FailureStore } from './failures.ts'
import type { Log } from './log-event.ts'
import { openStateDatabase, type StateDatabase } from './registry/state-database.ts'

/** What the embedded edge knows beyond its own end, apart from the registry: it changes with what visitors do. */
export interface EdgeState {
  endedSessions: EndedSessionsStore
  failures: FailureStore
  close(): void
}

/** Writes of failures after which those that no longer count are thrown away; and how many stay at most. */
const FAILURES_BETWEEN_CLEANING = 1_000
const MOST_FAILURES = 60_000

/**
 * Opens the state of an edge, and creates its file (mode 0600) when there is none. Not the registry: each write there
 * would have every other process that has it open read everything again.
 * @throws {RegistryError} `registry_unavailable`, also from each call; `registry_newer` when a later mux wrote it
 */
export function openEdgeState(file: string, log: Log): EdgeState {
  const state = openStateDatabase(file, {
    name: 'state of the edge',
    schema: 1,
    tables: `
      CREATE TABLE IF NOT EXISTS ended_sessions (
        user TEXT NOT NULL, id TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (user, id)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS failures (
        kind TEXT NOT NULL, key TEXT NOT NULL, failures INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (kind, key)
      ) STRICT, WITHOUT ROWID`,
    remedy: 'end all sessions: mux key rotate, then mux key retire',
  })
  try {
    return state.translated(() => ({
      endedSessions: endedSessionsStore(state),
      failures: failureStore(state.database, log),
      close: state.close,
    }))
  } catch (error) {
    state.close()
    throw error
  }
}

function endedSessionsStore({ database, translated, durably }: StateDatabase): EndedSessionsStore {
  const select = database.prepare('SELECT user, id, until FROM ended_sessions')
  const expire = database.prepare('DELETE FROM ended_sessions WHERE until < ?')
  const insert = database.prepare('INSERT OR IGNORE INTO ended_sessions (user, id, until) VALUES (?, ?, ?)')
  const remove = database.prepare('DELETE FROM ended_sessions WHERE user = ?')

  return {
    load: (now) =>
      translated(() => {
        expire.run(now)
        return select.all() as unknown as EndedSession[]
      }),
    // Whoever is told that they are signed out must be so after a loss of power, too; failures may be forgotten then.
    add: ({ user, id, until }) => durably(() => void insert.run(user, id, until)),
    forget: (user) => void translated(() => remove.run(user)),
  }
}

/** Counts are worth keeping, and no reason to refuse a sign-in: what cannot be written is told to the log, once. */
function failureStore(database: DatabaseSync, log: Log): FailureStore {
  const select = database.prepare('SELECT kind, key, failures, until FROM failures WHERE until > ?')
  const upsert = database.prepare(
    'INSERT INTO failures VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET failures = excluded.failures, until = excluded.until',
  )
  const remove = database.prepare('DELETE FROM failures WHERE kind = ? AND key = ?')
  const clean = database.prepare(
    'DELETE FROM failures WHERE (kind, key) NOT IN (SELECT kind, key FROM failures WHERE until > ? ORDER BY until DESC LIMIT ?)',
  )
  let writes = 0
  let isBroken = false

  function attempt(write: () => void): void {
    try {
      write()
    } catch (error) {
      if (!isBroken) log({ event: 'failures_not_kept', error })
      isBroken = true
    }
  }

  return {
    load: (now) => {
      clean.run(now, MOST_FAILURES)
      return select
        .all(now)
        .map((row) => [
          row['kind'] as FailureKind,
          String(row['key']),
          { failures: Number(row['failures']), until: Number(row['until']) },
        ])
    },
    save: (kind, key, { failures, until }) =>
      attempt(() => {
        upsert.run(kind, key, failures, until)
        writes += 1
        if (writes % FAILURES_BETWEEN_CLEANING === 0) clean.run(until - FAILURE_WINDOW, MOST_FAILURES)
      }),
    forget: (kind, key) => attempt(() => remove.run(kind, key)),
  }
}

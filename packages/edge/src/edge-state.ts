import type { UserName } from '@mux/contract'
import type { EndedSession, EndedSessionsStore } from './ended-sessions.ts'
import { openSqlite } from './registry/open-sqlite.ts'
import { translateSqlite } from './registry/sqlite-errors.ts'

/** What the embedded edge knows beyond its own end, apart from the registry: it changes with what visitors do. */
export interface EdgeState {
  endedSessions: EndedSessionsStore
  close(): void
}

/** How long a call waits for another process, in milliseconds. There should be none: a host has one supervisor. */
const PATIENCE = 1_000

/**
 * Opens the state of an edge, and creates its file (mode 0600) when there is none. Not the registry: each write there
 * would have every other process that has it open read everything again.
 * @throws {RegistryError} `registry_unavailable`
 */
export function openEdgeState(file: string): EdgeState {
  const translate = <Result>(work: () => Result) => translateSqlite(file, work)
  const database = translate(() => openSqlite(file, PATIENCE))
  translate(() =>
    database.exec(`
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS ended_sessions (
        user TEXT NOT NULL, id TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (user, id)
      ) STRICT, WITHOUT ROWID;`),
  )
  const select = database.prepare('SELECT user, id, until FROM ended_sessions')
  const expire = database.prepare('DELETE FROM ended_sessions WHERE until < ?')
  const insert = database.prepare('INSERT OR IGNORE INTO ended_sessions (user, id, until) VALUES (?, ?, ?)')
  const remove = database.prepare('DELETE FROM ended_sessions WHERE user = ?')

  return {
    endedSessions: {
      load: (now) =>
        translate(() => {
          expire.run(now)
          return select.all() as unknown as EndedSession[]
        }),
      add: ({ user, id, until }) => void translate(() => insert.run(user, id, until)),
      forget: (user: UserName) => void translate(() => remove.run(user)),
    },
    close: () => {
      if (database.isOpen) database.close()
    },
  }
}

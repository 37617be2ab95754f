import { DatabaseSync } from 'node:sqlite'
import type { Project } from './project.ts'

/** The embedded registry as a file: what stands in it, and what no command would write into it. */
export function readRecord(project: Project, kind: string, name: string): Record<string, unknown> {
  return withDatabase(project, (database) => {
    const row = database.prepare('SELECT value FROM records WHERE kind = ? AND name = ?').get(kind, name)
    if (!row) throw new Error(`no record ${kind}:${name}`)
    return JSON.parse(String(row['value']))
  })
}

/** Every record by its key, as text. */
export function readRecords(project: Project): Map<string, string> {
  return withDatabase(project, (database) => {
    const rows = database
      .prepare("SELECT kind || ':' || name AS key, value FROM records ORDER BY kind, name")
      .all()
    return new Map(rows.map((row) => [String(row['key']), String(row['value'])]))
  })
}

export function plantRecord(project: Project, kind: string, name: string, value: string): void {
  withDatabase(project, (database) =>
    database
      .prepare('INSERT OR REPLACE INTO records (kind, name, value) VALUES (?, ?, ?)')
      .run(kind, name, value),
  )
}

/** Writes a user's record with some fields changed. */
export function plantUser(project: Project, user: string, fields: Record<string, unknown>): void {
  plantRecord(project, 'user', user, JSON.stringify({ ...readRecord(project, 'user', user), ...fields }))
}

function withDatabase<T>(project: Project, use: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(project.path('.mux/registry.sqlite'), { timeout: 60_000 })
  try {
    return use(database)
  } finally {
    database.close()
  }
}

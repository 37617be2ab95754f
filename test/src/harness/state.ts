import { readdir, readFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import type { Project } from './project.ts'

/** All that commands can change of a project, to be compared before and after. */
export interface ProjectState {
  muxYaml: string
  /** The registry's values by `kind:name`. */
  records: Record<string, string>
  secrets: Record<string, string>
}

export async function stateOf(project: Project): Promise<ProjectState> {
  const names = await readdir(project.path('.mux/secrets')).catch(() => [])
  const secrets = await Promise.all(
    names.map(async (name) => [name, await readFile(project.path('.mux/secrets', name), 'utf8')] as const),
  )
  return {
    muxYaml: await project.read('mux.yaml'),
    records: recordsOf(project),
    secrets: Object.fromEntries(secrets),
  }
}

export function recordsOf(project: Project): Record<string, string> {
  const database = new DatabaseSync(project.path('.mux/registry.sqlite'), { readOnly: true, timeout: 5_000 })
  try {
    const rows = database.prepare('SELECT kind, name, value FROM records ORDER BY kind, name').all()
    return Object.fromEntries(
      rows.map(({ kind, name, value }) => [`${String(kind)}:${String(name)}`, String(value)]),
    )
  } finally {
    database.close()
  }
}

/** Writes a record as no command would. */
export function plantRecord(project: Project, key: string, record: object): void {
  const [kind, name] = [key.slice(0, key.indexOf(':')), key.slice(key.indexOf(':') + 1)]
  const database = new DatabaseSync(project.path('.mux/registry.sqlite'), { timeout: 5_000 })
  try {
    database
      .prepare('INSERT OR REPLACE INTO records (kind, name, value) VALUES (?, ?, ?)')
      .run(kind, name, JSON.stringify(record))
  } finally {
    database.close()
  }
}

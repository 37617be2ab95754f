import { DatabaseSync } from 'node:sqlite'
import { conformanceYaml, type Layout, LEDGER } from './layout.ts'
import { Project } from './project.ts'
import { Running } from './running.ts'

/** The default: `mux up` and nothing else. */
export async function embeddedLayout(): Promise<Layout> {
  const project = await Project.create('')
  await project.write('mux.yaml', conformanceYaml(project.path(LEDGER)))
  const running = await Running.up(project)

  const plant: Layout['plant'] = async (key, value) => {
    const [kind, name] = [key.slice(0, key.indexOf(':')), key.slice(key.indexOf(':') + 1)]
    const database = new DatabaseSync(project.path('.mux/registry.sqlite'), { timeout: 5_000 })
    try {
      database.prepare('INSERT OR REPLACE INTO records (kind, name, value) VALUES (?, ?, ?)').run(kind!, name!, value)
    } finally {
      database.close()
    }
  }

  const plantUser: Layout['plantUser'] = (user, fields) =>
    plant(`user:${user}`, JSON.stringify({ ...readRecord(project, 'user', user), ...fields }))

  return {
    name: 'mux up',
    url: running.url,
    platformHeaders: {},
    project,
    run: (args, options) => project.run(args, options),
    must: (args, options) => project.must(args, options),
    addUser: (name, instance) => project.addUser(name, instance),
    plant,
    plantUser,
    misdirect: (user) => plantUser(user, { target: { host: 'elsewhere', origin: 'https://elsewhere.example' } }),
    async close() {
      const code = await running.stop()
      await project.remove()
      if (code !== 0) throw new Error(`mux up ended with ${code}:\n${running.output()}`)
    },
  }
}

/** One record as it stands in the embedded registry. */
export function readRecord(project: Project, kind: string, name: string): Record<string, unknown> {
  const database = new DatabaseSync(project.path('.mux/registry.sqlite'), { readOnly: true, timeout: 5_000 })
  try {
    const row = database.prepare('SELECT value FROM records WHERE kind = ? AND name = ?').get(kind, name)
    if (!row) throw new Error(`no record ${kind}:${name}`)
    return JSON.parse(String(row['value']))
  } finally {
    database.close()
  }
}


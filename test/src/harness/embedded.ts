import { conformanceYaml, type Layout, LEDGER } from './layout.ts'
import { leave } from './nothing-left.ts'
import { Project } from './project.ts'
import { plantRecord, plantUser } from './registry.ts'
import { Running } from './running.ts'

/** The default: `mux up` and nothing else. */
export async function embeddedLayout(): Promise<Layout> {
  const project = await Project.create('')
  await project.write('mux.yaml', conformanceYaml(project.path(LEDGER)))
  const running = await Running.up(project)

  return {
    edge: 'Node',
    url: running.url,
    platformHeaders: {},
    project,
    from: (client) => ({ localAddress: `127.0.0.${client}` }),
    run: (args, options) => project.run(args, options),
    must: (args, options) => project.must(args, options),
    addUser: (name, instance) => project.addUser(name, instance),
    plant: async (kind, name, value) => plantRecord(project, kind, name, value),
    plantUser: async (user, fields) => plantUser(project, user, fields),
    misdirect: async (user) =>
      plantUser(project, user, { target: { host: 'elsewhere', origin: 'https://elsewhere.example' } }),
    async close() {
      await leave(project, running)
    },
  }
}

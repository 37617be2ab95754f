import { BaseCommand } from '../../base-command.ts'
import { type ListedInstance, listInstances } from '../../operations/list-instances.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'

export default class InstanceList extends BaseCommand {
  static override summary = 'list the instances, those of mux.yaml and those on hosts, and who uses them'
  static override examples = ['<%= config.bin %> instance list', '<%= config.bin %> instance list --json']

  async run() {
    const { flags } = await this.parse(InstanceList)
    const project = this.findProject(flags)
    const instances = await withRegistry(project, (registry) => listInstances(project, registry))
    if (instances.length === 0) this.hint('There are no instances yet. Add one: mux instance add NAME')
    else
      this.log(
        render.table(
          [
            { header: 'instance', value: (instance) => instance.name },
            ...(instances.some(({ host }) => host !== null) ? [HOST] : []),
            { header: 'users', value: (instance) => render.list(instance.users) },
            { header: 'routes', value: (instance) => render.list(instance.routes) },
            {
              header: 'own settings',
              value: (instance) => (instance.ownSettings === null ? '-' : render.list(instance.ownSettings)),
            },
            { header: 'state', value: ({ status, state }) => status?.state ?? state },
          ],
          instances,
        ),
      )
    return { instances }
  }
}

const HOST: render.Column<ListedInstance> = { header: 'host', value: ({ host }) => host ?? 'here' }

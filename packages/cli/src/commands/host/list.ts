import { BaseCommand } from '../../base-command.ts'
import { remarksOn, runningOn } from '../../describe-host.ts'
import { listHosts } from '../../operations/list-hosts.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'

export default class HostList extends BaseCommand {
  static override summary = 'list the hosts, and ask each how it is'
  static override examples = ['<%= config.bin %> host list', '<%= config.bin %> host list --json']

  async run() {
    const { flags } = await this.parse(HostList)
    const project = this.findProject(flags)
    const hosts = await withRegistry(project, (registry) => listHosts(project, registry))
    if (hosts.length === 0) this.hint('There are no hosts yet. Make one known: mux host add NAME --url URL')
    else
      this.log(
        render.table(
          [
            { header: 'host', value: ({ name }) => name },
            { header: 'origin', value: ({ origin }) => origin ?? '-' },
            { header: 'state', value: ({ state }) => state ?? '-' },
            { header: 'mux', value: ({ version }) => version ?? '-' },
            { header: 'instances', value: ({ instances }) => String(instances.length), align: 'right' },
            { header: 'users', value: ({ users }) => String(users.length), align: 'right' },
            { header: 'running', value: runningOn, align: 'right' },
            {
              header: 'remarks',
              value: (host) => remarksOn(host) || '-',
              format: ({ problem, clock, missing }) =>
                problem || missing.length > 0 ? 'red' : clock === null ? undefined : 'yellow',
            },
          ],
          hosts,
        ),
      )
    return { hosts }
  }
}

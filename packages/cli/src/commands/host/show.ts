import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { remarksOn, runningOn } from '../../describe-host.ts'
import { hostName } from '../../names.ts'
import { showHost } from '../../operations/list-hosts.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'

export default class HostShow extends BaseCommand {
  static override summary = 'show where a host is, what it has, and how that runs'
  static override examples = ['<%= config.bin %> host show web1']
  static override args = { name: Args.string({ description: 'name of the host', required: true }) }

  async run() {
    const { args, flags } = await this.parse(HostShow)
    const project = this.findProject(flags)
    const name = hostName(args.name)
    const host = await withRegistry(project, (registry) => showHost(project, registry, name))
    const remarks = remarksOn(host)
    this.log(
      render.fields([
        ['host', host.name],
        ['origin', host.origin ?? '-'],
        ['reached at', host.control ?? host.origin ?? '-'],
        ['state', host.state ?? '-'],
        ['mux', host.version === null ? '-' : `${host.version}, up ${render.age(host.since!)}`],
        ['running', runningOn(host)],
        ['instances', render.list(host.instances)],
        ['users', render.list(host.users)],
        ...(remarks === ''
          ? []
          : ([
              ['remarks', remarks, host.problem === null && host.missing.length === 0 ? 'yellow' : 'red'],
            ] as [string, string, render.Format][])),
      ]),
    )
    if (host.running.length > 0)
      this.log(
        `\n${render.table(
          [
            { header: 'instance', value: (instance) => instance.name },
            { header: 'state', value: (instance) => instance.state },
            { header: 'active', value: (instance) => String(instance.inFlight), align: 'right' },
            { header: 'held', value: (instance) => String(instance.waiting), align: 'right' },
          ],
          host.running,
        )}`,
      )
    if (host.missing.length > 0)
      this.hint(
        `To have there what it does not have, without settings and data: mux instance add ${host.missing[0]} --host ${name}`,
      )
    if (host.unknown.length > 0)
      this.hint(
        `Your project does not know of ${render.list(host.unknown)}. To have it: mux instance add NAME --host ${name}`,
      )
    return host
  }
}

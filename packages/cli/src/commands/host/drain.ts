import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { hostName } from '../../names.ts'
import { setHostState } from '../../operations/change-host.ts'

export default class HostDrain extends BaseCommand {
  static override summary = 'let a host get no new instances; what it has goes on'
  static override examples = ['<%= config.bin %> host drain web1']
  static override args = { name: Args.string({ description: 'name of the host', required: true }) }

  async run() {
    const { args, flags } = await this.parse(HostDrain)
    const host = hostName(args.name)
    const result = await this.withRegistry(this.findProject(flags), (registry) =>
      setHostState(registry, host, 'draining'),
    )
    this.log(
      result.changed
        ? `${host} gets no new instances any more.`
        : `${host} gets no new instances already. Nothing was changed.`,
    )
    this.hint(
      `Move away what it has: mux instance move NAME --host OTHER   What that is: mux host show ${host}`,
    )
    return result
  }
}

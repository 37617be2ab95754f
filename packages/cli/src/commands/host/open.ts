import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { hostName } from '../../names.ts'
import { setHostState } from '../../operations/change-host.ts'

export default class HostOpen extends BaseCommand {
  static override summary = 'let a host get new instances again'
  static override examples = ['<%= config.bin %> host open web1']
  static override args = { name: Args.string({ description: 'name of the host', required: true }) }

  async run() {
    const { args, flags } = await this.parse(HostOpen)
    const host = hostName(args.name)
    const result = await this.withRegistry(this.findProject(flags), (registry) =>
      setHostState(registry, host, 'open'),
    )
    this.log(
      result.changed
        ? `${host} gets new instances again.`
        : `${host} gets new instances already. Nothing was changed.`,
    )
    return result
  }
}

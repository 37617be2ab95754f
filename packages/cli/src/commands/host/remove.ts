import { Args, Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { hostName } from '../../names.ts'
import { removeHost } from '../../operations/change-host.ts'
import { list } from '../../render.ts'

export default class HostRemove extends BaseCommand {
  static override summary = 'forget a host that has no instance and no user any more'
  static override description =
    'What runs on that machine is left as it is. With --lost, the instances that were on it are forgotten, too: first give their users others.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> web1',
    '<%= config.bin %> <%= command.id %> web1 --lost',
  ]
  static override args = { name: Args.string({ description: 'name of the host', required: true }) }
  static override flags = {
    lost: Flags.boolean({
      description: 'its machine is gone for good, with the instances on it',
      default: false,
    }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run() {
    const { args, flags } = await this.parse(HostRemove)
    const project = this.findProject(flags)
    const host = hostName(args.name)
    const result = await this.withRegistry(project, (registry) =>
      removeHost(project, registry, {
        host,
        lost: flags.lost,
        confirm: (question) => confirmed(question, flags.yes),
      }),
    )
    const { instances } = result
    this.log(`Removed the host ${host}${instances.length === 0 ? '' : `, and with it ${list(instances)}`}.`)
    if (!flags.lost) this.hint('It still holds its keys. To end what runs there: mux down, on that machine.')
    return result
  }
}

import { Args, Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { hostName } from '../../names.ts'
import { removeHost } from '../../operations/change-host.ts'

export default class HostRemove extends BaseCommand {
  static override summary = 'forget a host that has no instance and no user any more'
  static override description = 'What runs on that machine is left as it is.'
  static override examples = ['<%= config.bin %> host remove web1']
  static override args = { name: Args.string({ description: 'name of the host', required: true }) }
  static override flags = { yes: Flags.boolean({ char: 'y', description: 'do not ask' }) }

  async run() {
    const { args, flags } = await this.parse(HostRemove)
    const project = this.findProject(flags)
    const host = hostName(args.name)
    const result = await this.withRegistry(project, (registry) =>
      removeHost(project, registry, host, (question) => confirmed(question, flags.yes)),
    )
    this.log(`Removed the host ${host}.`)
    this.hint('It still holds its keys. To end what runs there: mux down, on that machine.')
    return result
  }
}

import { Args, Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { instanceName } from '../../names.ts'
import { removeInstance } from '../../operations/remove-instance.ts'

export default class InstanceRemove extends BaseCommand {
  static override summary = 'end an instance that nobody uses and take it out of mux.yaml'
  static override description = 'Its data, secrets and log stay unless --purge removes them for good.'
  static override examples = [
    '<%= config.bin %> instance remove django4',
    '<%= config.bin %> instance remove django4 --purge --yes',
  ]
  static override args = { name: Args.string({ description: 'name of the instance', required: true }) }
  static override flags = {
    purge: Flags.boolean({ description: 'also remove its data, secrets and log' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceRemove)
    const project = this.findProject(flags)
    const name = instanceName(args.name)
    const result = await this.withRegistry(project, (registry) =>
      removeInstance(project, registry, {
        instance: name,
        purge: flags.purge,
        confirm: (question) => confirmed(question, flags.yes),
      }),
    )
    const where = result.host === null ? '' : ` from ${result.host}`
    this.log(`Removed ${name}${where}${result.data === null ? ' and its data' : ''}.`)
    if (result.data !== null)
      this.hint(`Its data are kept${result.host === null ? '' : ` on ${result.host}`} in ${result.data}`)
    return result
  }
}

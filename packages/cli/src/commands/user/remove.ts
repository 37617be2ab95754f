import { Args, Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { userName } from '../../names.ts'
import { removePerson } from '../../operations/remove-person.ts'

export default class UserRemove extends BaseCommand {
  static override summary = 'remove a person: they are out with the next request'
  static override description =
    'Their instance and its data stay, unless --with-instance ends the instance too; its data stay even then.'
  static override examples = [
    '<%= config.bin %> user remove brian',
    '<%= config.bin %> user remove brian --with-instance --yes',
  ]
  static override args = { name: Args.string({ description: 'name of the user', required: true }) }
  static override flags = {
    'with-instance': Flags.boolean({
      description: 'also end and undefine their instance, which nobody else may use',
    }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run() {
    const { args, flags } = await this.parse(UserRemove)
    const project = this.findProject(flags)
    const user = userName(args.name)
    const result = await this.withRegistry(project, (registry) =>
      removePerson(project, registry, {
        user,
        withInstance: flags['with-instance'],
        confirm: (question) => confirmed(question, flags.yes),
      }),
    )
    this.log(`Removed ${user}.`)
    if (result.instanceRemoved)
      this.log(`Ended and removed ${result.instance}; its data are in ${result.data}.`)
    else if (result.instance !== null)
      this.hint(`${result.instance} is still there: mux instance remove ${result.instance}`)
    return result
  }
}

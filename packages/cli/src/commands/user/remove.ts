import { Args, Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { userName } from '../../names.ts'
import { endWithPerson, removePerson } from '../../operations/remove-person.ts'
import { waitFlag } from '../../wait-flag.ts'

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
    ...waitFlag,
    'with-instance': Flags.boolean({
      description: 'also end and undefine their instance, which nobody else may use',
    }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run() {
    const { args, flags } = await this.parse(UserRemove)
    const project = this.findProject(flags)
    const user = userName(args.name)
    const { ending, ...removed } = await this.withRegistry(
      project,
      (registry) =>
        removePerson(project, registry, {
          user,
          withInstance: flags['with-instance'],
          confirm: (question) => confirmed(question, flags.yes),
        }),
      user,
      flags.wait,
    )
    this.log(`Removed ${user}.`)
    // By now, nobody lets them in any more: an end may take its time.
    const data =
      ending && (await this.withRegistry(project, (registry) => endWithPerson(project, registry, ending)))
    if (ending !== null)
      this.log(`Ended and removed ${ending.name}${data === null ? '' : `; its data are in ${data}`}.`)
    else if (removed.instance !== null)
      this.hint(`${removed.instance} is still there: mux instance remove ${removed.instance}`)
    return { ...removed, instanceRemoved: ending !== null, data }
  }
}

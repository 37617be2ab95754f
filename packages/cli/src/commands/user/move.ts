import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { instanceName, userName } from '../../names.ts'
import { moveUser } from '../../operations/change-user.ts'
import { waitFlag } from '../../wait-flag.ts'

export default class UserMove extends BaseCommand {
  static override summary = 'give a user another instance, from the next request on'
  static override description =
    'Nothing is copied from one instance to the other. They stay signed in; what they have open is closed.'
  static override examples = [
    '<%= config.bin %> user move brian --instance django3',
    '<%= config.bin %> user move brian --instance django9 --create',
  ]
  static override args = { name: Args.string({ description: 'name of the user', required: true }) }
  static override flags = {
    ...waitFlag,
    instance: Flags.string({
      description: 'instance that serves them from now on',
      helpValue: 'NAME',
      required: true,
    }),
    create: Flags.boolean({ description: 'define that instance if there is none yet' }),
  }

  async run() {
    const { args, flags } = await this.parse(UserMove)
    const project = this.findProject(flags)
    const order = { user: userName(args.name), instance: instanceName(flags.instance), create: flags.create }
    const result = await this.withRegistry(
      project,
      (registry) => moveUser(project, registry, order),
      order.user,
      flags.wait,
    )
    this.log(
      result.changed
        ? `Moved ${result.user} from ${result.from ?? 'nowhere'} to ${result.instance}${result.instanceCreated ? ', which is new' : ''}.`
        : `${result.user} is on ${result.instance} already. Nothing was changed.`,
    )
    return result
  }
}

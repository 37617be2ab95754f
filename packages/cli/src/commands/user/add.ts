import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { instanceName, userName } from '../../names.ts'
import { addUser } from '../../operations/add-user.ts'
import { givenPassword, newPassword } from '../../operations/new-password.ts'
import { passwordFlags } from '../../password-flags.ts'

export default class UserAdd extends BaseCommand {
  static override summary = 'add a person: instance, user, entry and password, or none of it'
  static override description =
    "Without --instance, they get an instance of the pool that is free and was nobody else's before, or the next new one.\nThey can sign in with the next request. Adding somebody again who is already as ordered changes nothing."
  static override examples = [
    '<%= config.bin %> user add brian',
    '<%= config.bin %> user add brian --instance django2 --create --generate',
    'pass show brian | <%= config.bin %> user add brian --password-stdin',
    '<%= config.bin %> user add brian@example.com --no-password',
  ]
  static override args = { name: Args.string({ description: 'name to sign in with', required: true }) }
  static override flags = {
    instance: Flags.string({ description: 'instance that serves them', helpValue: 'NAME' }),
    create: Flags.boolean({
      description: 'define that instance if there is none yet',
      dependsOn: ['instance'],
    }),
    ...passwordFlags,
  }

  async run() {
    const { args, flags } = await this.parse(UserAdd)
    const project = this.findProject(flags)
    const user = userName(args.name)
    const instance = flags.instance === undefined ? undefined : instanceName(flags.instance)
    const given = await givenPassword(flags)
    const result = await this.withRegistry(project, (registry) =>
      addUser(project, registry, {
        user,
        instance,
        create: flags.create,
        newPassword: () => newPassword(flags, given),
        givenPassword: given,
      }),
    )
    if (!result.changed) this.log(`${user} is there already, on ${result.instance}. Nothing was changed.`)
    else {
      this.log(`Added ${user} on ${result.instance}${result.instanceCreated ? ', which is new' : ''}.`)
      if (result.password !== undefined) this.log(`Password: ${result.password}`)
    }
    return result
  }
}

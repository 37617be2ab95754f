import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { userName } from '../../names.ts'
import { signOutUser } from '../../operations/sign-out-user.ts'
import { waitFlag } from '../../wait-flag.ts'

export default class UserSignOut extends BaseCommand {
  static override summary = 'sign a user out of every browser; password and tokens stay good'
  static override examples = ['<%= config.bin %> user sign-out brian']
  static override args = { name: Args.string({ description: 'name of the user', required: true }) }
  static override flags = waitFlag

  async run() {
    const { args, flags } = await this.parse(UserSignOut)
    const user = userName(args.name)
    await this.withRegistry(
      this.findProject(flags),
      (registry) => signOutUser(registry, user),
      user,
      flags.wait,
    )
    this.log(`Signed ${user} out everywhere.`)
    return { user }
  }
}

import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { userName } from '../../names.ts'
import { setDisabled } from '../../operations/change-user.ts'
import { waitFlag } from '../../wait-flag.ts'

export default class UserEnable extends BaseCommand {
  static override summary = 'let a user in again who was disabled'
  static override examples = ['<%= config.bin %> user enable brian']
  static override args = { name: Args.string({ description: 'name of the user', required: true }) }
  static override flags = waitFlag

  async run() {
    const { args, flags } = await this.parse(UserEnable)
    const user = userName(args.name)
    const changed = await this.withRegistry(
      this.findProject(flags),
      (registry) => setDisabled(registry, user, false),
      user,
      flags.wait,
    )
    this.log(changed ? `Enabled ${user}.` : `${user} is enabled already. Nothing was changed.`)
    return { user, disabled: false, changed }
  }
}

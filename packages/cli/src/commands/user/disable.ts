import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { userName } from '../../names.ts'
import { setDisabled } from '../../operations/change-user.ts'
import { waitFlag } from '../../wait-flag.ts'

export default class UserDisable extends BaseCommand {
  static override summary = 'shut a user out, from the next request on; everything of theirs stays'
  static override examples = ['<%= config.bin %> user disable brian']
  static override args = { name: Args.string({ description: 'name of the user', required: true }) }
  static override flags = waitFlag

  async run() {
    const { args, flags } = await this.parse(UserDisable)
    const user = userName(args.name)
    const changed = await this.withRegistry(
      this.findProject(flags),
      (registry) => setDisabled(registry, user, true),
      user,
      flags.wait,
    )
    this.log(changed ? `Disabled ${user}.` : `${user} is disabled already. Nothing was changed.`)
    return { user, disabled: true, changed }
  }
}

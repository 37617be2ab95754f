import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { userName } from '../../names.ts'
import { showUser } from '../../operations/list-users.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'

export default class UserShow extends BaseCommand {
  static override summary = 'show what is known of a user'
  static override examples = ['<%= config.bin %> user show brian']
  static override args = { name: Args.string({ description: 'name of the user', required: true }) }

  async run() {
    const { args, flags } = await this.parse(UserShow)
    const user = await withRegistry(this.findProject(flags), (registry) =>
      showUser(registry, userName(args.name)),
    )
    this.log(
      render.fields([
        ['user', user.name],
        ['instance', user.instance ?? 'none'],
        ['host', user.host ?? 'none'],
        ['state', user.disabled ? 'disabled' : 'enabled'],
        ['password', user.hasPassword ? 'set' : 'none'],
        ['tokens', String(user.tokens)],
        ['version', String(user.version)],
        ['changed', render.time(user.changed)],
      ]),
    )
    return user
  }
}

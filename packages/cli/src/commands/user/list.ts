import { BaseCommand } from '../../base-command.ts'
import { listUsers } from '../../operations/list-users.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'

export default class UserList extends BaseCommand {
  static override summary = 'list the users and the instance of each'
  static override examples = ['<%= config.bin %> user list', '<%= config.bin %> user list --json']

  async run() {
    const { flags } = await this.parse(UserList)
    const users = await withRegistry(this.findProject(flags), listUsers)
    if (users.length === 0) this.hint('There are no users yet. Add one: mux user add NAME')
    else
      this.log(
        render.table(
          [
            { header: 'user', value: (user) => user.name },
            { header: 'instance', value: (user) => user.instance ?? '-' },
            { header: 'state', value: (user) => user.problem ?? (user.disabled ? 'disabled' : 'enabled') },
            { header: 'changed', value: (user) => render.time(user.changed) },
          ],
          users,
        ),
      )
    return { users }
  }
}

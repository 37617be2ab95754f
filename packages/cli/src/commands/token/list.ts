import { Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { userName } from '../../names.ts'
import { type ListedToken, listTokens } from '../../operations/tokens.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'

export default class TokenList extends BaseCommand {
  static override summary = 'list the tokens: whose, what for, until when, and when last used'
  static override examples = [
    '<%= config.bin %> token list',
    '<%= config.bin %> token list --user brian --json',
  ]
  static override flags = {
    user: Flags.string({ description: 'only those of this user', helpValue: 'NAME' }),
  }

  async run() {
    const { flags } = await this.parse(TokenList)
    const user = flags.user === undefined ? undefined : userName(flags.user)
    const tokens = await withRegistry(this.findProject(flags), (registry) => listTokens(registry, user))
    if (tokens.length === 0) this.hint('There are no tokens. Make one: mux token create NAME')
    else
      this.log(
        render.table(
          [
            { header: 'id', value: (token) => token.id },
            { header: 'user', value: (token) => token.user ?? '-' },
            { header: 'label', value: (token) => token.label ?? '-' },
            { header: 'expires', value: expiry },
            { header: 'last used', value: (token) => token.used ?? '-' },
          ],
          tokens,
        ),
      )
    return { tokens }
  }
}

function expiry({ problem, expires, expired }: ListedToken): string {
  if (problem !== null) return problem
  if (expires === null) return 'never'
  return expired ? `expired ${render.time(expires)}` : render.time(expires)
}

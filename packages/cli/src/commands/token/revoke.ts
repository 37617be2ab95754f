import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { revokeToken } from '../../operations/tokens.ts'

export default class TokenRevoke extends BaseCommand {
  static override summary = 'take a token out of use, from the next request on'
  static override examples = ['<%= config.bin %> token revoke 0123456789abcdef']
  static override args = {
    id: Args.string({ description: 'id of the token, or the whole of one that was found', required: true }),
  }

  async run() {
    const { args, flags } = await this.parse(TokenRevoke)
    const { id, user, label } = await this.withRegistry(this.findProject(flags), (registry) =>
      revokeToken(registry, args.id),
    )
    this.log(`Revoked the token ${id}${user === null ? '' : ` of ${user}`}.`)
    return { id, user, label }
  }
}

import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { userName } from '../../names.ts'
import { expiryAfter, makeToken, tokenLabel } from '../../operations/tokens.ts'
import * as render from '../../render.ts'

export default class TokenCreate extends BaseCommand {
  static override summary = 'make a token by which a script is its user; it is shown this once'
  static override description =
    'It goes into Authorization: Bearer, or into the place of the password where a tool knows only that.\nStandard output has the token alone.'
  static override examples = [
    '<%= config.bin %> token create brian --label ci --expires 90d',
    'curl -u brian:"$(<%= config.bin %> token create brian)" http://127.0.0.1:8080/',
  ]
  static override args = {
    user: Args.string({ description: 'name of the user that it stands for', required: true }),
  }
  static override flags = {
    label: Flags.string({ description: 'what it is for, as the list shows it', helpValue: 'TEXT' }),
    expires: Flags.string({
      description: 'how long it is good; without it, until it is revoked',
      helpValue: '90d',
    }),
  }

  async run() {
    const { args, flags } = await this.parse(TokenCreate)
    const order = {
      user: userName(args.user),
      label: flags.label === undefined ? null : tokenLabel(flags.label),
      expires: flags.expires === undefined ? null : expiryAfter(flags.expires),
    }
    const made = await this.withRegistry(this.findProject(flags), (registry) => makeToken(registry, order))
    this.log(made.token)
    const until = made.expires === null ? 'until it is revoked' : `until ${render.time(made.expires)}`
    this.hint(`A token of ${made.user}, good ${until}. Nobody can see it again: mux token revoke ${made.id}`)
    return made
  }
}

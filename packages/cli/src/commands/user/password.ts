import type { RegistryStore } from '@mux/edge/registry'
import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { userName } from '../../names.ts'
import { setPassword } from '../../operations/change-user.ts'
import { existing } from '../../operations/existing-user.ts'
import { givenPassword, newPassword } from '../../operations/new-password.ts'
import { passwordFlags } from '../../password-flags.ts'
import { waitFlag } from '../../wait-flag.ts'

export default class UserPassword extends BaseCommand {
  static override summary = 'give a user a new password; wherever they are signed in, they are signed out'
  static override description =
    'Their API tokens are revoked too, unless --keep-tokens: whoever had the password may have had them.'
  static override examples = [
    '<%= config.bin %> user password brian',
    '<%= config.bin %> user password brian --generate',
    'pass show brian | <%= config.bin %> user password brian --password-stdin',
    '<%= config.bin %> user password brian@example.com --no-password',
  ]
  static override args = { name: Args.string({ description: 'name of the user', required: true }) }
  static override flags = {
    ...waitFlag,
    ...passwordFlags,
    'keep-tokens': Flags.boolean({ description: 'do not revoke the tokens of the user' }),
  }

  async run() {
    const { args, flags } = await this.parse(UserPassword)
    const user = userName(args.name)
    const given = await givenPassword(flags)
    const change = async (registry: RegistryStore) => {
      await existing(registry, user)
      const { hash, generated } = await newPassword(flags, given)
      const tokens = await setPassword(registry, user, { password: hash, keepTokens: flags['keep-tokens'] })
      return { user, tokens, ...(generated === undefined ? {} : { password: generated }) }
    }
    const result = await this.withRegistry(this.findProject(flags), change, user, flags.wait)
    const { tokens, password } = result
    const done = flags['no-password'] ? 'Took the password away of' : 'Changed the password of'
    this.log(`${done} ${user}${tokens === 0 ? '' : ` and revoked their tokens, ${tokens}`}.`)
    if (password !== undefined) this.log(`Password: ${password}`)
    return result
  }
}

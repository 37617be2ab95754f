import { Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { rotateKey } from '../../operations/rotate-key.ts'

export default class KeyRotate extends BaseCommand {
  static override summary = 'sign sessions with a new key; nobody is signed out'
  static override description =
    'Sessions that were signed with the old key stay good until they end. Where the old key may be known to somebody, --retire ends them.'
  static override examples = ['<%= config.bin %> key rotate', '<%= config.bin %> key rotate --retire --yes']
  static override flags = {
    retire: Flags.boolean({ description: 'keep no old key: everybody has to sign in again', default: false }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run() {
    const { flags } = await this.parse(KeyRotate)
    const project = this.findProject(flags)
    if (flags.retire) await confirmed('Sign everybody out?', flags.yes)
    const { kept, supervisor } = await rotateKey(project, flags.retire)
    const old = kept === 0 ? 'everybody has to sign in again' : `old keys that still verify: ${kept}`
    this.log(`Sessions are signed with a new key; ${old}.`)
    return { retired: flags.retire, kept, supervisor }
  }
}

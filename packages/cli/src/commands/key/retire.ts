import { Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { hostName } from '../../names.ts'
import { retireKeys } from '../../operations/change-keys.ts'

export default class KeyRetire extends BaseCommand {
  static override summary = 'accept no older key: who signed in before the last rotation is signed out'
  static override description =
    'For when an old key may be known to somebody, after mux key rotate. With --host, the keys by which a host knows its edge.'
  static override examples = [
    '<%= config.bin %> key rotate && <%= config.bin %> key retire --yes',
    '<%= config.bin %> key retire --host web1',
  ]
  static override flags = {
    host: Flags.string({ description: 'retire what this host accepts of its edge', helpValue: 'NAME' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run() {
    const { flags } = await this.parse(KeyRetire)
    const project = this.findProject(flags)
    const host = flags.host === undefined ? null : hostName(flags.host)
    const consequence =
      host === null
        ? 'Sign out everybody who signed in before the last rotation?'
        : `Refuse what the edge of ${host} signs with an older key?`
    await confirmed(consequence, flags.yes)
    const result = await retireKeys(project, host)
    this.log(result.retired === 0 ? 'There was no older key.' : `Retired ${result.retired}.`)
    return result
  }
}

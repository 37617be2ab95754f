import { Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { hostName } from '../../names.ts'
import { retireKeys } from '../../operations/change-keys.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'
import { signerFlags, signerOf } from '../../signer-flags.ts'

const CONSEQUENCE = {
  edge: 'Have all hosts refuse what the edge signs with an older key? The Worker has to sign with the new one by now.',
  operator: 'Have all hosts refuse what is signed with an older key of the operator?',
}

export default class KeyRetire extends BaseCommand {
  static override summary = 'accept no older key: who signed in before the last rotation is signed out'
  static override description =
    'For when an old key may be known to somebody, after mux key rotate. With --edge or --operator, the older keys that all hosts accept; with --host, those that this project accepts as that host.'
  static override examples = [
    '<%= config.bin %> key rotate && <%= config.bin %> key retire --yes',
    '<%= config.bin %> key retire --operator',
  ]
  static override flags = {
    ...signerFlags,
    host: Flags.string({
      description: 'what this project, which is that host, accepts of its edge and its operator',
      helpValue: 'NAME',
      exclusive: ['edge', 'operator'],
      helpGroup: 'HOSTS',
    }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run() {
    const { flags } = await this.parse(KeyRetire)
    const project = this.findProject(flags)
    const about = signerOf(flags)
    if (about !== undefined) {
      const { signer, skip } = about
      await confirmed(CONSEQUENCE[signer], flags.yes)
      const { retireSigners } = await import('../../operations/rotate-signer.ts')
      const told = await withRegistry(project, (registry) => retireSigners(project, registry, signer, skip))
      this.log(`Older keys are good no more on: ${render.list(told.hosts)}.`)
      return told
    }
    const host = flags.host === undefined ? null : hostName(flags.host)
    await confirmed(
      host === null
        ? 'Sign out everybody who signed in before the last rotation?'
        : `Refuse what is signed for ${host} with an older key?`,
      flags.yes,
    )
    const result = await retireKeys(project, host)
    this.log(result.retired === 0 ? 'There was no older key.' : `Retired ${result.retired}.`)
    return result
  }
}

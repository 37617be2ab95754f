import { BaseCommand } from '../../base-command.ts'
import { rotateSessionKey } from '../../operations/change-keys.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'
import { signerFlags, signerOf } from '../../signer-flags.ts'

export default class KeyRotate extends BaseCommand {
  static override summary = 'sign with a new key: sessions, or what goes to the hosts; nobody notices'
  static override description =
    'What was signed with the old key stays good, until it is over or the key is retired. With --edge or --operator, all hosts are told first; where one is not reached, nothing is changed.'
  static override examples = ['<%= config.bin %> key rotate', '<%= config.bin %> key rotate --operator']
  static override flags = signerFlags

  async run() {
    const { flags } = await this.parse(KeyRotate)
    const project = this.findProject(flags)
    const about = signerOf(flags)
    if (about === undefined) {
      const result = await rotateSessionKey(project)
      this.log(`Sessions are signed with a new key; old keys that still verify: ${result.kept}.`)
      return result
    }
    // Only here, so that another rotation does not load how hosts are told.
    const { rotateSigner } = await import('../../operations/rotate-signer.ts')
    const { signer, skip } = about
    const result = await withRegistry(project, (registry) => rotateSigner(project, registry, signer, skip))
    this.log(
      `There is a new key; hosts that know it, besides the one of before: ${render.list(result.hosts)}.`,
    )
    this.hint(
      signer === 'edge'
        ? 'The Worker signs with it after: mux deploy   A minute later: mux key retire --edge'
        : 'To end the one of before: mux key retire --operator',
    )
    return result
  }
}

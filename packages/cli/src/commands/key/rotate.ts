import { Flags } from '../../oclif.ts'
import { readHidden } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { CliError } from '../../errors.ts'
import { parseKey } from '../../keys.ts'
import { hostName } from '../../names.ts'
import { rotateHostKey, rotateSessionKey } from '../../operations/change-keys.ts'

export default class KeyRotate extends BaseCommand {
  static override summary = 'sign sessions with a new key; nobody is signed out'
  static override description =
    'What was signed with the old key stays good, until it is over or the key is retired. With --host, a host behind an edge elsewhere accepts another key of that edge besides the present one.'
  static override examples = [
    '<%= config.bin %> key rotate',
    '<%= config.bin %> key rotate --host web1 --key-stdin < new-host-web1.key',
  ]
  static override flags = {
    host: Flags.string({
      description: 'change what this host accepts of its edge',
      helpValue: 'NAME',
      dependsOn: ['key-stdin'],
    }),
    'key-stdin': Flags.boolean({
      description: "read the host's new key, in base64, from standard input",
      dependsOn: ['host'],
    }),
  }

  async run() {
    const { flags } = await this.parse(KeyRotate)
    const project = this.findProject(flags)
    if (flags.host === undefined) {
      const result = await rotateSessionKey(project)
      this.log(`Sessions are signed with a new key; old keys that still verify: ${result.kept}.`)
      return result
    }
    const host = hostName(flags.host)
    const key = parseKey(await readHidden('key'))
    if (key === undefined)
      throw new CliError('key_unusable', 'What came on standard input is not 32 bytes of base64.', {
        hint: 'Derive the key of the host from that of the edge, as docs/cloudflare.md says.',
      })
    const result = await rotateHostKey(project, host, key)
    this.log(`The host ${host} accepts the new key; old keys that it accepts besides: ${result.kept}.`)
    this.hint(`When the edge signs with the new one: mux key retire --host ${host}`)
    return result
  }
}

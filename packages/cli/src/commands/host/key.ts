import { Args, Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { joinKeyText } from '../../join-key.ts'
import { hostName } from '../../names.ts'
import { keysForHost } from '../../operator-keys.ts'
import { missingHost, usableHosts } from '../../operations/find-hosts.ts'
import { withRegistry } from '../../registry.ts'

export default class HostKey extends BaseCommand {
  static override summary = 'show the key of a host again, for mux host join'
  static override description =
    'It is a secret: who has it can speak to this host as its edge and its operator.'
  static override examples = [
    '<%= config.bin %> host key web1',
    '<%= config.bin %> host key web1 --yes | ssh web1 ...',
  ]
  static override args = { name: Args.string({ description: 'name of the host', required: true }) }
  static override flags = { yes: Flags.boolean({ char: 'y', description: 'do not ask' }) }

  async run() {
    const { args, flags } = await this.parse(HostKey)
    const project = this.findProject(flags)
    const host = hostName(args.name)
    const known = await withRegistry(project, usableHosts)
    if (!known.has(host)) missingHost(known, host)
    await confirmed(`Show the key of the host ${host}?`, flags.yes)
    const joinKey = joinKeyText(await keysForHost(project, host, true))
    this.log(joinKey)
    this.hint(`On that machine: mux host join ${host}`)
    return { host, joinKey }
  }
}

import { BaseCommand } from '../../base-command.ts'
import { kvFlags } from '../../kv-flags.ts'
import { openNamespace } from '../../kv-namespace.ts'
import { compareRegistries } from '../../operations/copy-registry.ts'
import { describeDifference } from '../../operations/describe-difference.ts'
import * as render from '../../render-registry.ts'

export default class RegistryDiff extends BaseCommand {
  static override summary = 'show what differs between the registry of this project and Workers KV'
  static override description =
    'Names and the fields that differ, and never what is in them. Nothing is changed.'
  static override examples = [
    '<%= config.bin %> registry diff',
    '<%= config.bin %> registry diff --env staging --json',
  ]
  static override flags = kvFlags

  async run() {
    const { flags } = await this.parse(RegistryDiff)
    const project = this.findProject(flags)
    const { place, registry } = await openNamespace(project, flags, process.env, (text) => this.hint(text))
    this.log(render.kvNamespace(place))
    const differences = (await compareRegistries(project, registry)).map(describeDifference)
    this.log(render.differences(differences))
    return { ...place, differences }
  }
}

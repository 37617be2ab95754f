import { Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { kvFlags } from '../../kv-flags.ts'
import { openNamespace } from '../../kv-namespace.ts'
import { pullRegistry } from '../../operations/copy-registry.ts'
import * as render from '../../render-registry.ts'

export default class RegistryPull extends BaseCommand {
  static override summary = 'make the registry of this project what the one in Workers KV is'
  static override description =
    'All of it, or nothing. What is not there is removed here, after a question. A user whose record is later here is not overwritten.'
  static override examples = [
    '<%= config.bin %> registry pull',
    '<%= config.bin %> registry pull --env staging --yes',
  ]
  static override flags = { ...kvFlags, yes: Flags.boolean({ char: 'y', description: 'do not ask' }) }

  async run() {
    const { flags } = await this.parse(RegistryPull)
    const project = this.findProject(flags)
    const { place, registry } = await openNamespace(project, flags, process.env, (text) => this.hint(text))
    this.log(render.kvNamespace(place))
    const result = await pullRegistry(project, registry, (removed) =>
      confirmed(`Remove ${render.recordCounts(removed)} here?`, flags.yes),
    )
    this.log(render.copied(result, 'here'))
    return { ...place, ...result }
  }
}

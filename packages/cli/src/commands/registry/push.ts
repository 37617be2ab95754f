import { Flags } from '../../oclif.ts'
import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { kvFlags } from '../../kv-flags.ts'
import { openNamespace } from '../../kv-namespace.ts'
import { pushRegistry } from '../../operations/copy-registry.ts'
import { untold } from '../../operations/tell-of-users.ts'
import * as render from '../../render-registry.ts'

export default class RegistryPush extends BaseCommand {
  static override summary = 'make the registry in Workers KV what the one of this project is'
  static override description =
    'Writes only what differs: first what takes access away, then the rest. If it breaks off, the same command goes on.\nWhat is not here is removed there, after a question. A user whose record is later there is not overwritten.'
  static override examples = [
    '<%= config.bin %> registry push',
    '<%= config.bin %> registry push --env staging --yes',
    'pass show cloudflare | <%= config.bin %> registry push --token-stdin',
  ]
  static override flags = { ...kvFlags, yes: Flags.boolean({ char: 'y', description: 'do not ask' }) }

  async run() {
    const { flags } = await this.parse(RegistryPush)
    const project = this.findProject(flags)
    const { place, registry } = await openNamespace(project, flags, process.env, (text) => this.hint(text))
    this.log(render.kvNamespace(place))
    const result = await pushRegistry(project, registry, (removed) =>
      confirmed(`Remove ${render.recordCounts(removed)} from KV?`, flags.yes),
    )
    this.log(render.copied(result, 'kv'))
    if (result.told.some(({ problem }) => problem !== null)) this.fail(untold(result.told))
    return { ...place, ...result }
  }
}

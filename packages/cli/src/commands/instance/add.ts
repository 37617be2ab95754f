import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { hostName, instanceName } from '../../names.ts'
import { addInstanceSomewhere } from '../../operations/add-instance.ts'
import { parseSettings, readSecrets, secretFlag } from '../../setting-arguments.ts'

export default class InstanceAdd extends BaseCommand {
  static override summary = 'define an instance in mux.yaml; a running mux knows of it at once'
  static override description =
    'With --host, or where the edge is a Worker and this project is no host, in the mux.yaml of a host: without --host, on the open one with the fewest instances.'
  static override examples = [
    '<%= config.bin %> instance add django4',
    '<%= config.bin %> instance add django4 --set DATABASE=dora.sqlite3 --set "TITLE=Of Dora"',
    'pass show key | <%= config.bin %> instance add django4 --secret SECRET_KEY',
    '<%= config.bin %> instance add django4 --host web2',
  ]
  static override args = { name: Args.string({ description: 'name of the new instance', required: true }) }
  static override flags = {
    set: Flags.string({
      description: 'setting of its own, over what app says',
      helpValue: 'NAME=VALUE',
      multiple: true,
      multipleNonGreedy: true,
      default: [],
    }),
    secret: secretFlag,
    host: Flags.string({ description: 'host that it is on', helpValue: 'NAME', helpGroup: 'CLOUDFLARE' }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceAdd)
    const project = this.findProject(flags)
    const instance = instanceName(args.name)
    const set = parseSettings(flags.set)
    const host = flags.host === undefined ? undefined : hostName(flags.host)
    const secrets = await readSecrets(flags.secret, set)
    const result = await this.withRegistry(project, (registry) =>
      addInstanceSomewhere(project, registry, { instance, set, secrets }, host),
    )
    this.log(
      result.changed
        ? `Added ${instance} ${result.host === null ? 'to mux.yaml' : `on ${result.host}`}.`
        : `${instance} is there already. Nothing was changed.`,
    )
    if (result.changed) this.hint(`Give it to somebody: mux user add NAME --instance ${instance}`)
    return result
  }
}

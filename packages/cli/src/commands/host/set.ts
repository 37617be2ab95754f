import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { controlUrlFlag, controlUrlOf, openWarning, originOf } from '../../host-flags.ts'
import { hostName } from '../../names.ts'
import { placeHost } from '../../operations/change-host.ts'

export default class HostSet extends BaseCommand {
  static override summary = 'say where a host is by now; its instances and their users are sent there'
  static override examples = ['<%= config.bin %> host set web1 --url https://web1.example.net']
  static override args = { name: Args.string({ description: 'name of the host', required: true }) }
  static override flags = {
    url: Flags.string({
      description: 'how the edge reaches it: a URL, or vpc:BINDING of the Worker',
      helpValue: 'URL',
    }),
    ...controlUrlFlag,
  }

  async run() {
    const { args, flags } = await this.parse(HostSet)
    const project = this.findProject(flags)
    const order = {
      host: hostName(args.name),
      origin: originOf(flags.url),
      control: controlUrlOf(flags['control-url']),
    }
    const placed = await this.withRegistry(project, (registry) => placeHost(project, registry, order))
    const { host, origin, changed, instances, users } = placed
    this.log(
      changed
        ? `The host ${host} is at ${origin}; sent there: instances ${instances}, users ${users}.`
        : `The host ${host} is at ${origin} already. Nothing was changed.`,
    )
    if (placed.here && changed)
      this.hint('mux.yaml says so, too. A mux that runs here has to be started again: mux down, mux up')
    for (const warning of openWarning(placed)) this.hint(warning)
    return placed
  }
}

import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { hostName } from '../../names.ts'
import { addHost } from '../../operations/change-host.ts'
import { controlUrlFlag, hostPlace, openWarning } from '../../host-flags.ts'

export default class HostAdd extends BaseCommand {
  static override summary = 'make a host known, and the key by which it knows you'
  static override description =
    'The key is the result on standard output: give it to mux host join on that machine. It is a secret.'
  static override examples = [
    '<%= config.bin %> host add web1 --url https://web1.example.com',
    '<%= config.bin %> host add web2 --url vpc:WEB2 --control-url https://10.0.0.5:9090',
  ]
  static override args = { name: Args.string({ description: 'name of the host', required: true }) }
  static override flags = {
    url: Flags.string({
      description: 'how the edge reaches it: a URL, or vpc:BINDING of the Worker',
      helpValue: 'URL',
      required: true,
    }),
    ...controlUrlFlag,
  }

  async run() {
    const { args, flags } = await this.parse(HostAdd)
    const project = this.findProject(flags)
    const order = { host: hostName(args.name), ...hostPlace(flags.url, flags['control-url']) }
    const added = await this.withRegistry(project, (registry) => addHost(project, registry, order))
    const { host, origin, joinKey } = added
    if (joinKey === null) {
      this.log(`The host ${host} is there already, at ${origin}. Nothing was changed.`)
      this.hint(`Its key again: mux host key ${host}`)
      return { ...added, join: null }
    }
    const join = `mux host join ${host} --origin ${origin}`
    this.log(joinKey)
    this.hint(
      [
        `Added the host ${host}. Next, on that machine, in the directory of its mux.yaml:`,
        '',
        `    ${join}`,
        '',
        'It asks for the key above. Who has that can speak to this host in your name.',
        ...openWarning(added),
      ].join('\n'),
    )
    return { ...added, join }
  }
}

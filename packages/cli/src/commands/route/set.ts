import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { instanceName, routeKey } from '../../names.ts'
import { setRoute } from '../../operations/change-route.ts'

export default class RouteSet extends BaseCommand {
  static override summary = 'send a host name to one instance, whoever asks'
  static override description =
    'The key * is for everybody who has no instance of their own. Set again, a route leads elsewhere from the next request\non: that is how a fixed key swaps versions of the application.'
  static override examples = [
    '<%= config.bin %> route set beta.example.org --instance django3',
    '<%= config.bin %> route set www.example.org --instance django1 --public',
    "<%= config.bin %> route set '*' --instance django1",
  ]
  static override args = { key: Args.string({ description: 'host name, or *', required: true }) }
  static override flags = {
    instance: Flags.string({ description: 'instance that it leads to', helpValue: 'NAME', required: true }),
    public: Flags.boolean({ description: 'let in those who are not signed in' }),
  }

  async run() {
    const { args, flags } = await this.parse(RouteSet)
    const project = this.findProject(flags)
    const order = {
      key: routeKey(args.key),
      instance: instanceName(flags.instance),
      access: flags.public ? ('public' as const) : ('signed-in' as const),
    }
    const result = await this.withRegistry(project, (registry) => setRoute(project, registry, order))
    const who = order.access === 'public' ? 'everybody' : 'all who are signed in'
    this.log(
      result.changed
        ? `${order.key} leads to ${order.instance}, for ${who}.`
        : `${order.key} leads to ${order.instance} already, for ${who}. Nothing was changed.`,
    )
    return result
  }
}

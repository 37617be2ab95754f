import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { routeKey } from '../../names.ts'
import { removeRoute } from '../../operations/change-route.ts'

export default class RouteRemove extends BaseCommand {
  static override summary = 'remove a route; everybody gets their own instance there again'
  static override examples = ['<%= config.bin %> route remove beta.example.org']
  static override args = { key: Args.string({ description: 'host name, or *', required: true }) }

  async run() {
    const { args, flags } = await this.parse(RouteRemove)
    const key = routeKey(args.key)
    await this.withRegistry(this.findProject(flags), (registry) => removeRoute(registry, key))
    this.log(`Removed the route ${key}.`)
    return { key }
  }
}

import { BaseCommand } from '../../base-command.ts'
import { listRoutes } from '../../operations/change-route.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'

export default class RouteList extends BaseCommand {
  static override summary = 'list the routes and where they lead'
  static override examples = ['<%= config.bin %> route list', '<%= config.bin %> route list --json']

  async run() {
    const { flags } = await this.parse(RouteList)
    const routes = await withRegistry(this.findProject(flags), listRoutes)
    if (routes.length === 0)
      this.hint('There are no routes: everybody gets their own instance. See: mux route set --help')
    else
      this.log(
        render.table(
          [
            { header: 'key', value: (route) => route.key },
            { header: 'instance', value: (route) => route.instance ?? '-' },
            { header: 'access', value: (route) => route.problem ?? route.access ?? '-' },
          ],
          routes,
        ),
      )
    return { routes }
  }
}

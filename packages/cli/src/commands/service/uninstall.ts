import { BaseCommand } from '../../base-command.ts'
import { systemctlOf, uninstallService } from '../../operations/service.ts'
import { SERVICE_FLAGS, serviceOptions } from '../../service-flags.ts'

export default class ServiceUninstall extends BaseCommand {
  static override summary = 'remove what "mux service install" wrote'
  static override description = 'The service has to be disabled first; how is printed.'
  static override examples = ['<%= config.bin %> service uninstall']
  static override flags = SERVICE_FLAGS

  async run() {
    const { flags } = await this.parse(ServiceUninstall)
    const options = serviceOptions(this.findProject(flags), flags)
    const { name, removed } = uninstallService(options)
    for (const file of removed) this.log(`Removed ${file}.`)
    this.hint(`\nNext:  ${systemctlOf(options.scope)} daemon-reload`)
    return { name, removed }
  }
}

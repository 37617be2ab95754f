import { BaseCommand } from '../../base-command.ts'
import { describeService } from '../../operations/service.ts'
import { SERVICE_FLAGS, serviceOptions } from '../../service-flags.ts'

export default class ServiceShow extends BaseCommand {
  static override summary = 'print the systemd units of this project; writes nothing'
  static override examples = [
    '<%= config.bin %> service show',
    '<%= config.bin %> service show --system --json',
  ]
  static override flags = SERVICE_FLAGS

  async run() {
    const { flags } = await this.parse(ServiceShow)
    const service = await describeService(serviceOptions(this.findProject(flags), flags))
    this.log(
      service.units
        .map(({ file, text }) => `# ${file}\n${text}`)
        .join('\n')
        .trimEnd(),
    )
    return service
  }
}

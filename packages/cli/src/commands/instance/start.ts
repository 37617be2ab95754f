import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { instanceName } from '../../names.ts'
import { startInstance } from '../../operations/order-instance.ts'

export default class InstanceStart extends BaseCommand {
  static override summary = 'let an instance serve, and boot it now'
  static override description =
    'Returns when it is ready. When it was stopped by the operator, it is open again from now on, whatever comes of the boot.'
  static override examples = ['<%= config.bin %> <%= command.id %> django2']
  static override args = {
    instance: Args.string({ description: 'name of the instance', required: true }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceStart)
    const project = this.findProject(flags)
    const name = instanceName(args.instance)
    const status = await this.withRegistry(project, (registry) => startInstance(project, registry, name))
    this.log(`${status.name} is ${status.state}: process ${status.generation?.pid ?? 'none'}.`)
    return status
  }
}

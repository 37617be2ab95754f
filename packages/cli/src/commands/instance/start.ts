import { Args } from '../../oclif.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { EXIT } from '../../errors.ts'
import { instanceName } from '../../names.ts'
import { startInstance } from '../../operations/order-instance.ts'

export default class InstanceStart extends InstanceCommand {
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
    const host = await this.hostOf(project, name)
    if (host) {
      const code = await this.runThere(host)
      // Whatever has come of the boot.
      if (code !== EXIT.notFound) await this.record(project, name, { state: 'open', message: null })
      return undefined
    }
    const status = await this.withRegistry(project, (registry) => startInstance(project, registry, name))
    this.log(`${status.name} is ${status.state}: process ${status.generation?.pid ?? 'none'}.`)
    return status
  }
}

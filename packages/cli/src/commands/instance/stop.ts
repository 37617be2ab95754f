import { Args, Flags } from '../../oclif.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { CliError, EXIT } from '../../errors.ts'
import { instanceName } from '../../names.ts'
import { stopInstance } from '../../operations/order-instance.ts'

/** What a record of the registry holds. */
const LONGEST_MESSAGE = 500

export default class InstanceStop extends InstanceCommand {
  static override summary = 'stop an instance, and keep it stopped'
  static override description =
    'Its requests come to their end first. It stays stopped, also after a restart of mux, until it is started again; its users are told so meanwhile.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> django2',
    '<%= config.bin %> <%= command.id %> django2 --message "Back at noon."',
  ]
  static override args = {
    instance: Args.string({ description: 'name of the instance', required: true }),
  }
  static override flags = {
    message: Flags.string({
      description: 'what its users are told meanwhile, up to 500 characters',
      helpValue: 'TEXT',
    }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceStop)
    const instance = instanceName(args.instance)
    const message = flags.message?.trim() || null
    if (message !== null && message.length > LONGEST_MESSAGE)
      throw new CliError(
        'usage',
        `The message has ${message.length} characters; expected ${LONGEST_MESSAGE} at most.`,
      )
    const project = this.findProject(flags)
    const host = await this.hostOf(project, instance)
    if (host) {
      if ((await this.runThere(host)) === EXIT.done)
        await this.record(project, instance, { state: 'maintenance', message })
      return undefined
    }
    const status = await this.withRegistry(project, (registry) =>
      stopInstance(project, registry, instance, message),
    )
    this.log(
      status === null
        ? `${instance} will stay stopped. mux is not running here, so nothing had to be ended.`
        : `${instance} is stopped, and stays so.`,
    )
    this.hint(`To let it serve again: mux instance start ${instance}`)
    return { instance, running: status !== null, status }
  }
}

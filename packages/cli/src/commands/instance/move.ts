import { confirmed } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { untilSignal } from '../../end-signals.ts'
import { CliError } from '../../errors.ts'
import { hostName, instanceName } from '../../names.ts'
import { Args, Flags } from '../../oclif.ts'
import { moveInstance } from '../../operations/move-instance.ts'
import { purgeMoved } from '../../operations/purge-moved.ts'
import { projectRole } from '../../project-role.ts'
import * as render from '../../render.ts'

export default class InstanceMove extends BaseCommand {
  static override summary = 'move an instance to another host, with its settings, secrets and data'
  static override description =
    'Its requests are held meanwhile, and go on to where it is then. When something fails, or on Ctrl-C, it serves on where it was; the same command begins anew, or takes up what was killed. What it leaves is kept, stopped, until --purge removes it for good.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> django2 --host web2',
    '<%= config.bin %> <%= command.id %> django2 --purge',
  ]
  static override args = { name: Args.string({ description: 'name of the instance', required: true }) }
  static override flags = {
    host: Flags.string({ description: 'host that it is to be on', helpValue: 'NAME', exclusive: ['purge'] }),
    purge: Flags.boolean({ description: 'remove what it has left where it was, after a move' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceMove)
    const project = this.findProject(flags)
    const instance = instanceName(args.name)
    if (flags.purge) {
      const purged = await purgeMoved(project, instance, (question) => confirmed(question, flags.yes))
      this.log(`Removed what ${instance} had left on ${purged.purged}.`)
      return purged
    }
    if (flags.host === undefined)
      throw new CliError(
        'usage',
        'HOST is missing.',
        `Say where to: mux instance move ${instance} --host NAME`,
      )
    const to = hostName(flags.host)
    const tell = (step: string) => this.hint(step)
    const result = await untilSignal((signal) => moveInstance(project, { instance, to, tell, signal }))
    if (!result.changed) this.log(`${instance} is on ${to} already. Nothing was changed.`)
    else {
      const people = result.users.length === 0 ? '' : ` Led there: ${render.list(result.users)}.`
      this.log(
        `Moved ${instance} from ${result.from} to ${to}. Its requests were held for ${result.held} ms.${people}`,
      )
      if ((await projectRole(project)).registry === 'sqlite')
        this.hint('Where the edge reads Workers KV, take it there: mux registry push')
      this.hint(`What it left on ${result.from} is kept. To remove it: mux instance move ${instance} --purge`)
    }
    return result
  }
}

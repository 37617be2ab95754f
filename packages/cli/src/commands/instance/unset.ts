import { Args, Flags } from '../../oclif.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { CliError } from '../../errors.ts'
import { instanceName } from '../../names.ts'
import { changeSettings } from '../../operations/change-settings.ts'
import * as render from '../../render.ts'
import { keepFlag } from '../../setting-arguments.ts'

export default class InstanceUnset extends InstanceCommand {
  static override summary = 'take settings of its own from one instance; what app says holds again'
  static override description =
    'A running instance is restarted. If it cannot start without them, they are put back, unless --keep leaves them out of mux.yaml: see "mux instance set".'
  static override examples = [
    '<%= config.bin %> instance unset django2 DATABASE_NAME',
    '<%= config.bin %> instance unset django2 DEBUG TITLE --no-restart',
  ]
  static override strict = false
  static override usage = 'instance unset NAME SETTING... [--no-restart] [--keep]'
  static override args = { name: Args.string({ description: 'name of the instance', required: true }) }
  static override flags = {
    restart: Flags.boolean({ description: 'restart it if it runs', default: true, allowNo: true }),
    keep: keepFlag,
  }

  async run() {
    const { args, argv, flags } = await this.parse(InstanceUnset)
    const unset = [...new Set((argv as string[]).slice(1))]
    if (unset.length === 0)
      throw new CliError('usage', 'There is nothing to unset.', 'See: mux instance unset --help')
    const project = this.findProject(flags)
    const instance = instanceName(args.name)
    const host = await this.hostOf(project, instance)
    if (host) return void (await this.runThere(host))
    const result = await changeSettings(project, {
      instance,
      set: {},
      secrets: {},
      unset,
      restart: flags.restart,
      keep: flags.keep,
    })
    this.log(render.settingsChange(result))
    return result
  }
}

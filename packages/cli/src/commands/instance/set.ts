import { Args, Flags } from '../../oclif.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { CliError } from '../../errors.ts'
import { instanceName } from '../../names.ts'
import { changeSettings } from '../../operations/change-settings.ts'
import * as render from '../../render.ts'
import { keepFlag, parseSettings, readSecrets, secretFlag, secretsAsInput } from '../../setting-arguments.ts'

export default class InstanceSet extends InstanceCommand {
  static override summary = 'change settings of one instance and have it take them at once'
  static override description =
    'A running instance is restarted. If it cannot start with the new settings, the old ones are put back, unless --keep leaves the new ones in mux.yaml: it then serves on with the old ones until they are set right, or taken back by "mux instance rollback".'
  static override examples = [
    '<%= config.bin %> instance set django2 DATABASE_NAME=brian.sqlite3',
    '<%= config.bin %> instance set django2 DEBUG=1 "TITLE=Of Brian" --no-restart',
    'pass show key | <%= config.bin %> instance set django2 --secret SECRET_KEY',
  ]
  static override strict = false
  static override usage = 'instance set NAME [SETTING=VALUE...] [--secret SETTING] [--no-restart] [--keep]'
  static override args = { name: Args.string({ description: 'name of the instance', required: true }) }
  static override flags = {
    secret: secretFlag,
    restart: Flags.boolean({ description: 'restart it if it runs', default: true, allowNo: true }),
    keep: keepFlag,
  }

  async run() {
    const { args, argv, flags } = await this.parse(InstanceSet)
    const project = this.findProject(flags)
    const instance = instanceName(args.name)
    const set = parseSettings((argv as string[]).slice(1))
    const secrets = await readSecrets(flags.secret, set)
    if (Object.keys(set).length + Object.keys(secrets).length === 0)
      throw new CliError('usage', 'There is nothing to set.', 'See: mux instance set --help')
    const host = await this.hostOf(project, instance)
    if (host) {
      const input = flags.secret.length === 0 ? undefined : secretsAsInput(secrets)
      return void (await this.runThere(host, { input }))
    }
    const result = await changeSettings(project, {
      instance,
      set,
      secrets,
      unset: [],
      restart: flags.restart,
      keep: flags.keep,
    })
    this.log(render.settingsChange(result))
    return result
  }
}

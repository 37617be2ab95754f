import { Args } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { instanceName } from '../../names.ts'
import { rollbackSettings } from '../../operations/rollback-settings.ts'
import * as render from '../../render.ts'

export default class InstanceRollback extends BaseCommand {
  static override summary = 'give one instance the settings back with which it last became ready'
  static override description =
    'Those are the last that are not the ones that it has: after a change with which it does not start, those that serve; after one with which it does, those before. Its own entry in mux.yaml is put back, and its own secrets; what comes from app stays. A running instance is restarted. A second time, it is the other way round.'
  static override examples = ['<%= config.bin %> <%= command.id %> django2']
  static override args = {
    instance: Args.string({ description: 'name of the instance', required: true }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceRollback)
    const result = await rollbackSettings(this.findProject(flags), instanceName(args.instance))
    const { instance, readyAt, changed, restarted } = result
    this.log(`${instance} has the settings again that it had from ${render.time(readyAt)} on.`)
    this.log(`Changed: ${render.list(changed)}.`)
    this.log(
      restarted === null
        ? 'It is not running, and its next start takes them.'
        : `Restarted in ${restarted.took} ms (process ${restarted.newPid}).`,
    )
    return result
  }
}

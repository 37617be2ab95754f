import { Args, Flags } from '../../oclif.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { instanceName } from '../../names.ts'
import { type KeptSettings, listKeptSettings, rollbackSettings } from '../../operations/rollback-settings.ts'
import * as render from '../../render.ts'

export default class InstanceRollback extends InstanceCommand {
  static override summary = 'give one instance the settings back with which it last became ready'
  static override description =
    'Those are the last that are not the ones that it has: after a change with which it does not start, those that serve; after one with which it does, those before. Its own entry in mux.yaml is put back, and its own secrets; what comes from app stays. A running instance is restarted. A second time, it is the other way round; further back with --to.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> django2',
    '<%= config.bin %> <%= command.id %> django2 --list',
    '<%= config.bin %> <%= command.id %> django2 --to 3',
  ]
  static override args = {
    instance: Args.string({ description: 'name of the instance', required: true }),
  }
  static override flags = {
    list: Flags.boolean({
      description: 'show what there is to go back to; changes nothing',
      exclusive: ['to'],
    }),
    to: Flags.integer({ description: 'which of those that --list shows', min: 1, max: 1000, helpValue: 'N' }),
  }

  async run() {
    const { args, flags } = await this.parse(InstanceRollback)
    const project = this.findProject(flags)
    const instance = instanceName(args.instance)
    const host = await this.hostOf(project, instance)
    if (host) return void (await this.runThere(host))
    if (flags.list) {
      const settings = await listKeptSettings(project, instance)
      if (settings.length === 0) this.hint(`It is not known that ${instance} was ever ready.`)
      else this.log(render.table(COLUMNS, settings))
      return { instance, settings }
    }
    const result = await rollbackSettings(project, instance, flags.to)
    const { readyAt, changed, restarted } = result
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

const COLUMNS: render.Column<KeptSettings>[] = [
  { header: 'no', value: ({ number }) => String(number), align: 'right' },
  { header: 'ready from', value: ({ readyAt }) => render.time(readyAt) },
  {
    header: 'would change',
    value: ({ changed }) => (changed.length === 0 ? 'nothing: it has these' : render.list(changed)),
  },
]

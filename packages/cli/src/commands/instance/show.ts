import { Args } from '../../oclif.ts'
import { InstanceCommand } from '../../instance-command.ts'
import { concernRows, describeStatus } from '../../describe-status.ts'
import { instanceName } from '../../names.ts'
import { type ShownInstance, showInstance, showThere } from '../../operations/list-instances.ts'
import { withRegistry } from '../../registry.ts'
import * as render from '../../render.ts'

export default class InstanceShow extends InstanceCommand {
  static override summary = 'show what an instance is made of; secrets by name only'
  static override examples = ['<%= config.bin %> instance show django2']
  static override args = { name: Args.string({ description: 'name of the instance', required: true }) }

  async run() {
    const { args, flags } = await this.parse(InstanceShow)
    const project = this.findProject(flags)
    const name = instanceName(args.name)
    const host = await this.hostOf(project, name)
    const instance = await withRegistry(project, (registry) =>
      host ? showThere(registry, host, name) : showInstance(project, registry, name),
    )
    const { limits } = instance
    this.log(
      render.fields([
        ['instance', instance.name],
        ...(host ? [['host', host.name] as const] : []),
        ['users', render.list(instance.users)],
        ['routes', render.list(instance.routes)],
        ...stateRows(instance),
        ['command', instance.command.join(' ')],
        ['directory', instance.directory],
        ['health', instance.health ?? 'accepts connections'],
        ['probe', instance.probe === null ? 'off' : render.duration(instance.probe)],
        ['boot', instance.boot],
        ['restart', instance.restart],
        ['idle', instance.idle === null ? 'off' : render.duration(instance.idle)],
        ['idle ignore', render.list(instance.idleIgnore)],
        ['stop signal', instance.stopSignal],
        [
          'limits',
          `start ${render.duration(limits.start)}, drain ${render.duration(limits.drain)}, stop ${render.duration(limits.stop)}`,
        ],
        [
          '',
          `hold ${render.duration(limits.hold)}, response ${limits.response === null ? 'off' : render.duration(limits.response)}, queue ${limits.queue}, memory ${limits.memory === null ? 'off' : render.size(limits.memory)}`,
        ],
        ['', `files ${limits.files ?? 'off'}, processes ${limits.processes ?? 'off'}`],
        ['runs as', confinement(instance)],
        ['data', instance.data],
        ['log', instance.log],
      ]),
    )
    if (instance.settings.length > 0)
      this.log(
        `\n${render.table(
          [
            { header: 'setting', value: (setting) => setting.name },
            { header: 'value', value: (setting) => setting.value ?? '(secret)' },
            { header: 'from', value: (setting) => (setting.from === 'app' ? 'app' : instance.name) },
          ],
          instance.settings,
        )}`,
      )
    return instance
  }
}

/** As whom, and how confined. */
function confinement({ user, group, nice, umask, sandbox }: ShownInstance): string {
  const account =
    user === null ? 'the user of mux' : `user ${user}${group === null ? '' : `, group ${group}`}`
  return [
    account,
    ...(sandbox ? ['in a sandbox'] : []),
    ...(nice === 0 ? [] : [`nice ${nice}`]),
    ...(umask === null ? [] : [`umask ${umask.toString(8).padStart(4, '0')}`]),
  ].join(', ')
}

/** How it is, where mux runs; else what was wanted of it. */
function stateRows({ state, message, status }: ShownInstance): [string, string, render.Format?][] {
  if (status === null) return [['state', message === null ? state : `${state}: ${message}`]]
  return [['state', status.state], ...concernRows(status), ...describeStatus(status)]
}

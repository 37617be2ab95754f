import { Args } from '../oclif.ts'
import { BaseCommand } from '../base-command.ts'
import { instanceName } from '../names.ts'
import { describeEvent } from '../describe-event.ts'
import { type InstanceOverview, readStatus, type StatusReport } from '../operations/read-status.ts'
import * as render from '../render.ts'

export default class Status extends BaseCommand {
  static override summary = 'show what runs, and for whom'
  static override description = 'All instances, or all about one.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> django2',
  ]
  static override args = {
    instance: Args.string({ description: 'name of the instance' }),
  }

  async run() {
    const { args, flags } = await this.parse(Status)
    const report = await readStatus(
      this.findProject(flags),
      args.instance === undefined ? undefined : instanceName(args.instance),
    )
    this.log(args.instance === undefined ? overview(report) : details(report.instances[0]!))
    const events = report.instances[0]?.events ?? []
    if (events.length > 0)
      this.log(`\n${render.fields(events.map((event) => [event.time, describeEvent(event)] as const))}`)
    return report
  }
}

function overview({ url, pid, since, pool, instances }: StatusReport): string {
  const running = `${pool.running} of at most ${pool.max} instances running`
  const waiting = pool.waiting === 0 ? '' : `, ${pool.booting} starting, ${pool.waiting} waiting to start`
  const head = `mux serves ${url ?? 'nothing yet'}\nprocess ${pid}, up ${render.age(since)}, ${running}${waiting}`
  if (instances.length === 0) return `${head}\n\nThere is no instance. Add one: mux instance add NAME`
  // Sentences would make the table wider than any terminal.
  const reasons = instances.filter(({ reason }) => reason !== null)
  const below = render.fields(reasons.map(({ name, reason }) => [name, reason!] as const))
  return [head, render.table(COLUMNS, instances), below].filter((part) => part !== '').join('\n\n')
}

const COLUMNS: render.Column<InstanceOverview>[] = [
  { header: 'instance', value: ({ name }) => name },
  { header: 'state', value: ({ state }) => state },
  { header: 'pid', value: ({ generation }) => String(generation?.pid ?? '-'), align: 'right' },
  {
    header: 'for',
    value: ({ generation }) => (generation ? render.age(generation.since) : '-'),
    align: 'right',
  },
  { header: 'active', value: ({ inFlight }) => String(inFlight), align: 'right' },
  { header: 'held', value: ({ waiting }) => String(waiting), align: 'right' },
  { header: 'users', value: ({ users }) => some(users) },
]

function details(instance: InstanceOverview): string {
  const { generation, idleStop, lastExit, nextTry, reason } = instance
  return render.fields([
    ['instance', instance.name],
    ['state', instance.state],
    ...(reason === null ? [] : ([['reason', reason]] as const)),
    ...(generation === null
      ? []
      : ([
          ['process', `${generation.pid}, generation ${generation.number}`],
          ['since', `${generation.since} (${render.age(generation.since)})`],
          ['address', generation.address],
          ...(generation.outdated
            ? ([['settings', `changed since; to take them: mux instance restart ${instance.name}`]] as const)
            : []),
        ] as const)),
    ['active', `${instance.inFlight} requests and open sockets`],
    ['held', `${instance.waiting} requests`],
    ['last activity', describeActivity(instance)],
    ...(idleStop === null ? [] : ([['idle stop', `${idleStop}, if nobody uses it until then`]] as const)),
    ['crashes', String(instance.crashes)],
    ...(lastExit === null ? [] : ([['last exit', describeExit(lastExit)]] as const)),
    ...(nextTry === null ? [] : ([['next try', nextTry]] as const)),
    ['users', instance.users.join(', ') || 'none'],
  ])
}

function describeActivity({ lastActivity, lastActivityBy }: InstanceOverview): string {
  if (lastActivity === null) return 'none yet'
  const what = lastActivityBy === null ? '' : `, ${ACTIVITY[lastActivityBy]}`
  return `${lastActivity} (${render.age(lastActivity)} ago)${what}`
}

const ACTIVITY = { request: 'a request', upload: 'an upload', socket: 'a WebSocket' }

function describeExit({ code, signal, by, at }: NonNullable<InstanceOverview['lastExit']>): string {
  const how = signal ?? (code === null ? 'nobody knows how' : `code ${code}`)
  return `${how}, ${by === 'us' ? 'ended by mux' : 'crashed'}, ${at}`
}

/** As many names as fit a column. */
function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length > 3 ? `${shown} +${names.length - 3}` : shown || '-'
}

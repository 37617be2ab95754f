import { Args } from '../oclif.ts'
import { instanceName } from '../names.ts'
import { describeEvent } from '../describe-event.ts'
import { remarksOn, runningOn } from '../describe-host.ts'
import { concernOf, concernRows, describeStatus } from '../describe-status.ts'
import { InstanceCommand } from '../instance-command.ts'
import {
  type FleetHost,
  type FleetInstance,
  type FleetReport,
  type PlacedInstance,
  readFleet,
  readStatusThere,
} from '../operations/read-fleet.ts'
import { type InstanceOverview, readStatus, type StatusReport } from '../operations/read-status.ts'
import { withRegistry } from '../registry.ts'
import * as render from '../render.ts'

export default class Status extends InstanceCommand {
  static override summary = 'show what runs, and for whom'
  static override description =
    'All instances, and of those that need somebody, why and what to do; or all about one instance. Where there are hosts, each is asked.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> django2',
  ]
  static override args = {
    instance: Args.string({ description: 'name of the instance' }),
  }

  async run() {
    const { args, flags } = await this.parse(Status)
    const project = this.findProject(flags)
    if (args.instance !== undefined) {
      const name = instanceName(args.instance)
      const host = await this.hostOf(project, name)
      const report = host
        ? await withRegistry(project, (registry) => readStatusThere(registry, host, name))
        : await readStatus(project, name)
      this.log(details(report.instances[0]!, host?.name))
      return report
    }
    const fleet = await withRegistry(project, (registry) => readFleet(project, registry))
    if (fleet) {
      this.log(fleetOverview(fleet))
      return fleet
    }
    const report = await readStatus(project, undefined)
    this.log(overview(report))
    return report
  }
}

function fleetOverview({ hosts, instances: all, missing, unknown }: FleetReport): string {
  const instances = all.filter(({ kept }) => !kept)
  const left = all.filter(({ kept }) => kept)
  const table = render.table(HOST_COLUMNS, hosts)
  if (instances.length + missing.length + unknown.length === 0)
    return `${table}\n\nNo instance is on them. Add one: mux instance add NAME`
  const layouts = LAYOUTS.map(([name, ...rest]) => [name!, HOST, ...rest])
  const sorted = instances.toSorted((one, other) => one.name.localeCompare(other.name))
  const below = left.map(
    ({ name, host }) =>
      `${name} has moved away from ${host}, which keeps what it left: mux instance move ${name} --purge`,
  )
  const parts = [
    table,
    concernsOf(instances, missing),
    instances.length === 0 ? '' : render.fittingTable(layouts, sorted),
    unknown.length === 0 ? '' : render.table(UNKNOWN_COLUMNS, unknown),
    below.join('\n'),
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

const HOST_COLUMNS: render.Column<FleetHost>[] = [
  { header: 'host', value: ({ name }) => name },
  { header: 'state', value: ({ state }) => state ?? '-' },
  { header: 'running', value: runningOn, align: 'right' },
  { header: 'instances', value: ({ instances }) => String(instances), align: 'right' },
  { header: 'up', value: ({ since }) => (since === null ? '-' : render.age(since)), align: 'right' },
  {
    header: 'remarks',
    value: (host) => remarksOn(host) || '-',
    format: ({ problem, clock }) => (problem ? 'red' : clock === null ? undefined : 'yellow'),
  },
]

const UNKNOWN_COLUMNS: render.Column<FleetReport['unknown'][number]>[] = [
  { header: 'not known', value: ({ name }) => name },
  { header: 'host', value: ({ host }) => host },
  { header: 'users', value: ({ users }) => some(users, 3) },
]

function overview({ url, pid, since, pool, instances }: StatusReport): string {
  const running = `${pool.running} of ${pool.max} running`
  const waiting = pool.waiting === 0 ? '' : `, ${pool.booting} starting, ${pool.waiting} waiting to start`
  const head = `mux serves ${url ?? 'nothing yet'}\nprocess ${pid}, up ${render.age(since)}, ${running}${waiting}`
  if (instances.length === 0) return `${head}\n\nThere is no instance. Add one: mux instance add NAME`
  const parts = [head, concernsOf(instances), render.fittingTable(LAYOUTS, instances)]
  return parts.filter((part) => part !== '').join('\n\n')
}

/** What somebody has to see to comes first: a table of many instances is longer than a screen. */
function concernsOf(instances: readonly InstanceOverview[], missing: readonly PlacedInstance[] = []): string {
  const concerns = instances.flatMap((instance) => {
    const concern = concernOf(instance)
    return concern ? [{ name: instance.name, ...concern }] : []
  })
  const gone = missing.map(({ name, host, users }) => ({
    name,
    grave: true,
    what: `It is not on ${host}, where it is to be.${users.length === 0 ? '' : ` It would be that of ${some(users, 3)}.`}`,
    next: `mux instance add ${name}`,
  }))
  const sorted = [
    ...gone,
    ...concerns.filter(({ grave }) => grave),
    ...concerns.filter(({ grave }) => !grave),
  ]
  return render.fields(
    sorted.flatMap(
      ({ name, what, next, grave }) =>
        [
          [name, what, grave ? 'red' : 'yellow'],
          ['', next],
        ] as const,
    ),
  )
}

type Column = render.Column<InstanceOverview & Partial<FleetInstance>>

const NAME: Column = { header: 'instance', value: ({ name }) => name }
const HOST: Column = { header: 'host', value: ({ host }) => host ?? '-' }
const STATE: Column = { header: 'state', value: ({ state }) => state, format: stateFormat }
const ACTIVE: Column = { header: 'active', value: ({ inFlight }) => String(inFlight), align: 'right' }
const HELD: Column = { header: 'held', value: ({ waiting }) => String(waiting), align: 'right' }
const PID: Column = {
  header: 'pid',
  value: ({ generation }) => String(generation?.pid ?? '-'),
  align: 'right',
}
const FOR: Column = {
  header: 'for',
  value: ({ generation }) => (generation ? render.age(generation.since) : '-'),
  align: 'right',
}
const USED: Column = {
  header: 'used',
  value: ({ inFlight, lastActivity }) => {
    if (inFlight > 0) return 'now'
    return lastActivity === null ? '-' : `${render.age(lastActivity)} ago`
  },
  align: 'right',
}
const STOPS: Column = {
  header: 'stops',
  value: ({ idleStop }) => (idleStop === null ? '-' : render.ahead(idleStop)),
  align: 'right',
}
const users = (count: number): Column => ({
  header: 'users',
  value: (instance) => some(instance.users, count),
})

/** From the one that tells all to the one for a narrow terminal. */
const LAYOUTS: readonly (readonly Column[])[] = [
  ...[3, 2, 1, 0].map((count) => [NAME, STATE, PID, FOR, ACTIVE, HELD, USED, STOPS, users(count)]),
  [NAME, STATE, PID, FOR, ACTIVE, HELD, users(0)],
  ...[1, 0].map((count) => [NAME, STATE, ACTIVE, users(count)]),
]

function stateFormat({ state }: InstanceOverview): render.Format | undefined {
  if (state === 'failed' || state === 'degraded') return 'red'
  return state === 'disabled' ? 'yellow' : undefined
}

/** As many names as fit a column. */
function some(names: readonly string[], count: number): string {
  if (names.length === 0) return '-'
  if (count === 0) return String(names.length)
  const shown = names.slice(0, count).join(', ')
  return names.length > count ? `${shown} +${names.length - count}` : shown
}

function details(instance: InstanceOverview, host: string | undefined): string {
  const { events = [], log = [] } = instance
  const head: [string, string, render.Format?][] = [
    ['instance', instance.name],
    ...(host === undefined ? [] : ([['host', host]] as [string, string][])),
    ['state', instance.state],
    ...concernRows(instance),
    ...describeStatus(instance),
    ['users', render.list(instance.users)],
  ]
  const happened = events.map((event) => [render.clock(event.time), describeEvent(event)] as const)
  const last = log.length === 0 ? [] : [`The end of its log:\n${log.map((line) => `  ${line}`).join('\n')}`]
  return [render.fields(head), ...last, render.fields(happened)].filter((part) => part !== '').join('\n\n')
}

import { type HostStatus, LOCAL_HOST, RecordError } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import type { Project } from '../project.ts'
import { answerOfHost } from '../remote-command.ts'
import type { RemoteHost } from '../remote-host.ts'
import { hostStatus } from '../running-host.ts'
import { type AskedHost, askHosts } from './ask-hosts.ts'
import { type InstanceOverview, type StatusReport, usersByInstance } from './read-status.ts'

/** How long mux may take to say how it is here, in milliseconds. */
const PATIENCE = 1_500

export interface FleetHost extends Pick<AskedHost, 'name' | 'here' | 'problem' | 'clock'>, HostFacts {
  state: 'open' | 'draining' | null
  reachable: boolean
  /** How many instances are there by the registry. */
  instances: number
}

/** Null, each: it was not reached. */
interface HostFacts {
  version: string | null
  since: string | null
  pool: HostStatus['pool'] | null
}

export interface FleetInstance extends InstanceOverview {
  host: string
  /** It was moved away, and this is what it has left. */
  kept: boolean
}

export interface FleetReport {
  hosts: FleetHost[]
  instances: FleetInstance[]
  /** What the registry has on hosts that were reached, and do not have it, such as one that was set up anew. */
  missing: PlacedInstance[]
  /** What the registry has on hosts that were not reached, or of which it knows nothing: how those instances are, nobody can say. */
  unknown: PlacedInstance[]
}

/** Of an instance, what the registry says alone. */
export interface PlacedInstance {
  name: string
  host: string
  users: string[]
}

/**
 * How all hosts are, and what runs on them and for whom; each is asked, and one that does not answer is told of with the reason.
 * @returns undefined where there are none, and mux is as it is here alone
 */
export async function readFleet(project: Project, registry: RegistryStore): Promise<FleetReport | undefined> {
  const asked = await askHosts(project, registry)
  if (asked.length === 0) return undefined
  const all = asked.some(({ here }) => here) ? asked : [...asked, ...(await withoutName(project))]
  const users = await usersByInstance(registry)
  const places = new Map<string, string>()
  for (const { name, record } of await registry.list('instance'))
    if (!(record instanceof RecordError)) places.set(name, record.host)
  const present = new Map<string, ReadonlySet<string>>()
  for (const { name, status } of all)
    if (status !== null) present.set(name, new Set(status.instances.map((one) => one.name)))
  const placed = [...places].map(([name, host]) => ({ name, host, users: users.get(name) ?? [] }))
  return {
    missing: placed.filter(({ name, host }) => present.get(host)?.has(name) === false),
    unknown: placed.filter(({ host }) => !present.has(host)),
    hosts: all.map(({ name, here, record, status, problem, clock }) => ({
      name,
      here,
      state: record?.state ?? null,
      reachable: status !== null,
      problem,
      clock,
      version: status?.version ?? null,
      since: status?.since ?? null,
      pool: status?.pool ?? null,
      instances: [...places.values()].filter((place) => place === name).length,
    })),
    instances: all.flatMap(({ name, status }) =>
      (status?.instances ?? []).map((one) => {
        const kept = (places.get(one.name) ?? name) !== name
        return { ...one, host: name, kept, users: kept ? [] : (users.get(one.name) ?? []) }
      }),
    ),
  }
}

/** One instance of another host, with its users, who are known here alone. */
export async function readStatusThere(
  registry: RegistryStore,
  host: RemoteHost,
  name: InstanceOverview['name'],
): Promise<StatusReport> {
  const report = await answerOfHost<StatusReport>(host, ['status', name])
  const users = (await usersByInstance(registry)).get(name) ?? []
  return { ...report, instances: report.instances.map((instance) => ({ ...instance, users })) }
}

/** This project, where it runs mux and is none of the hosts. */
async function withoutName(project: Project): Promise<AskedHost[]> {
  const status = await hostStatus(project, PATIENCE).catch(() => undefined)
  if (status === undefined) return []
  return [{ name: LOCAL_HOST, record: null, here: true, status, problem: null, clock: null }]
}

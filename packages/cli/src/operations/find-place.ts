import { type HostName, type HostRecord, type InstanceName, LOCAL_HOST, RecordError } from '@mux/contract'
import type { RegistryReader, RegistryStore } from '@mux/edge/registry'
import { runsFromAfar } from '../end-with-host.ts'
import { CliError } from '../errors.ts'
import { type ProjectConfig, readConfig } from '../mux-yaml.ts'
import { remoteHost } from '../operator-keys.ts'
import { projectRole } from '../project-role.ts'
import type { Project } from '../project.ts'
import type { RemoteHost } from '../remote-host.ts'
import { missingHost, usableHosts } from './find-hosts.ts'
import { noInstance } from './no-instance.ts'

/**
 * On which host an instance is; null: in this project, as one that nobody knows would be.
 * @throws {RecordError} when its record cannot be used
 */
export async function placeOf(
  project: Project,
  registry: RegistryReader,
  name: InstanceName,
): Promise<HostName | null> {
  // Two projects that each take the other for the place of an instance would send each other a command without end.
  if (runsFromAfar()) return null
  const record = await registry.read('instance', name)
  if (record === undefined || record.host === LOCAL_HOST) return null
  if ((await registry.read('host', record.host)) === undefined) return null
  return (await projectRole(project)).host === record.host ? null : record.host
}

/**
 * The same, as its operator reaches it.
 * @throws {CliError} `instance_not_found`, `key_unusable`, `host_unreachable` where there is no URL for it
 */
export async function findRemote(
  project: Project,
  registry: RegistryStore,
  name: InstanceName,
): Promise<RemoteHost | null> {
  const host = await placeOf(project, registry, name)
  if (host !== null) return requireRemote(project, registry, host)
  if ((await registry.read('instance', name)) === undefined) await refuseUnknown(project, registry, name)
  return null
}

/** One that is nowhere is told of with those of all hosts; where there are none, whoever looks for it here does so. */
async function refuseUnknown(project: Project, registry: RegistryStore, name: InstanceName): Promise<void> {
  const remote = await remoteInstances(project, registry)
  const config = remote.size === 0 ? undefined : await readConfig(project).catch(() => undefined)
  if (config && !config.instances.some((instance) => instance.name === name))
    throw noInstance(config, name, 'See what there is: mux instance list', [...remote.keys()])
}

/** @throws {CliError} `host_not_found`, `key_unusable`, `host_unreachable` where there is no URL for it */
export async function requireRemote(
  project: Project,
  registry: RegistryReader,
  host: HostName,
): Promise<RemoteHost> {
  const record = await registry.read('host', host)
  return record === undefined ? missingHost(new Map(), host) : remoteHost(project, host, record)
}

/** The instances that are on other hosts, with where. */
export async function remoteInstances(
  project: Project,
  registry: RegistryStore,
): Promise<Map<InstanceName, HostName>> {
  const hosts = await usableHosts(registry)
  if (hosts.size === 0 || runsFromAfar()) return new Map()
  const here = (await projectRole(project)).host
  const found = new Map<InstanceName, HostName>()
  for (const { name, record } of await registry.list('instance'))
    if (!(record instanceof RecordError) && record.host !== here && hosts.has(record.host))
      found.set(name as InstanceName, record.host)
  return found
}

/** A host that takes a new instance. */
export interface NewPlace {
  name: HostName
  record: HostRecord
}

/**
 * The instances of mux.yaml that this project runs: not one that was moved to another host, of which the definition is kept here.
 * @param own as which host it runs them
 */
export async function instancesHere(
  registry: RegistryStore,
  { instances }: Pick<ProjectConfig, 'instances'>,
  own: string,
): Promise<InstanceName[]> {
  const hosts = await usableHosts(registry)
  const records = new Map((await registry.list('instance')).map(({ name, record }) => [name, record]))
  return instances.flatMap(({ name }) => {
    const record = records.get(name)
    const isElsewhere =
      record && !(record instanceof RecordError) && record.host !== own && hosts.has(record.host)
    return isElsewhere ? [] : [name]
  })
}

/** @throws {CliError} `host_not_found` */
export async function requirePlace(registry: RegistryReader, name: HostName): Promise<NewPlace> {
  const record = await registry.read('host', name)
  return record === undefined ? missingHost(new Map(), name) : { name, record }
}

/** Whether instances can be here: the project has an application, and the edge reaches what it runs. */
export function canBeHere({
  host,
  registry,
  runsNothing,
}: Pick<ProjectConfig, 'host' | 'registry' | 'runsNothing'>): boolean {
  return !runsNothing && (registry === 'sqlite' || host !== null)
}

/**
 * Where a new instance goes that nobody has named a host for: here, if it can be; else to the open host with the fewest
 * instances, of equal ones to the first by its name.
 * @param wanted the host that was named
 * @returns null for here
 * @throws {CliError} `host_not_found`, `host_draining`
 */
export async function placeForNew(
  registry: RegistryStore,
  config: Pick<ProjectConfig, 'host' | 'registry' | 'runsNothing'>,
  wanted?: HostName,
): Promise<NewPlace | null> {
  if (runsFromAfar()) return null
  const hosts = await usableHosts(registry)
  if (wanted !== undefined) {
    if (wanted === config.host?.name) return null
    const record = hosts.get(wanted) ?? missingHost(hosts, wanted)
    if (record.state === 'draining')
      throw new CliError('host_draining', `The host ${wanted} takes no new instances. Nothing was changed.`, {
        hint: `To let it take some again: mux host open ${wanted}`,
      })
    return { name: wanted, record }
  }
  if (canBeHere(config)) return null
  const counts = new Map<string, number>()
  for (const { record } of await registry.list('instance'))
    if (!(record instanceof RecordError)) counts.set(record.host, (counts.get(record.host) ?? 0) + 1)
  const open = [...hosts].filter(([, { state }]) => state === 'open')
  const [least] = open.toSorted(([one], [other]) => (counts.get(one) ?? 0) - (counts.get(other) ?? 0))
  if (least) return { name: least[0] as HostName, record: least[1] }
  throw new CliError('host_not_found', 'There is no open host for a new instance.', {
    hint: 'Make one known: mux host add NAME --url URL   Or let one take new ones again: mux host open NAME',
  })
}

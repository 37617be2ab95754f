import type { HostName, HostStatus } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import type { Project } from '../project.ts'
import { type AskedHost, askHosts } from './ask-hosts.ts'
import { missingHost, pointingAt } from './find-hosts.ts'

/** A host with what leads to it. */
export interface ListedHost extends Pick<AskedHost, 'name' | 'here' | 'problem' | 'clock'> {
  origin: string | null
  control: string | null
  state: 'open' | 'draining' | null
  reachable: boolean
  /** Of mux there; null, here and below: it was not reached. */
  version: string | null
  since: string | null
  pool: HostStatus['pool'] | null
  /** Those that are there by the registry, and who is sent to them. */
  instances: string[]
  users: string[]
  /** Those of the instances that it does not have, such as when it was set up anew; empty where it was not reached. */
  missing: string[]
}

export async function listHosts(project: Project, registry: RegistryStore): Promise<ListedHost[]> {
  const asked = await askHosts(project, registry)
  return Promise.all(asked.map((host) => listed(registry, host)))
}

export interface ShownHost extends ListedHost {
  /** As they run there. */
  running: HostStatus['instances']
  /** Those of them that the registry does not have there, such as those that its mux.yaml began with. */
  unknown: string[]
}

/** @throws {CliError} `host_not_found` */
export async function showHost(
  project: Project,
  registry: RegistryStore,
  name: HostName,
): Promise<ShownHost> {
  const [host] = await askHosts(project, registry, name)
  if (host === undefined) {
    const hosts = await registry.list('host')
    return missingHost(new Map(hosts.map((one) => [one.name, one])), name)
  }
  const running = host.status?.instances ?? []
  const known = await listed(registry, host)
  const unknown = running.map((instance) => instance.name).filter((one) => !known.instances.includes(one))
  return { ...known, running, unknown }
}

async function listed(registry: RegistryStore, host: AskedHost): Promise<ListedHost> {
  const { name, here, record, status, problem, clock } = host
  const pointing = await pointingAt(registry, name)
  const running = new Set<string>(status?.instances.map((instance) => instance.name))
  return {
    name,
    origin: record?.origin ?? null,
    control: record?.control ?? null,
    state: record?.state ?? null,
    here,
    reachable: status !== null,
    problem,
    version: status?.version ?? null,
    since: status?.since ?? null,
    pool: status?.pool ?? null,
    clock,
    ...pointing,
    missing: status === null ? [] : pointing.instances.filter((instance) => !running.has(instance)),
  }
}

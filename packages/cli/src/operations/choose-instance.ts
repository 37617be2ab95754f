import {
  type HostName,
  type InstanceName,
  parseInstanceName,
  RecordError,
  type UserName,
} from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import { CliError } from '../errors.ts'
import { lastUser } from '../last-user.ts'
import { type ProjectConfig, readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { isDefined } from './define-instance.ts'
import { usableHosts } from './find-hosts.ts'
import { canBeHere, remoteInstances } from './find-place.ts'
import { noInstance } from './no-instance.ts'

/** An instance for somebody, which may have to be defined first. */
export interface Choice {
  instance: InstanceName
  defined: boolean
}

/**
 * The instance that was named, if there is one, here or on another host, or may be made.
 * @throws {CliError} `instance_not_found` with those that there are
 */
export async function namedInstance(
  project: Project,
  registry: RegistryStore,
  { instance, create, retry }: { instance: InstanceName; create: boolean; retry: string },
): Promise<Choice> {
  const config = await readConfig(project)
  const remote = await remoteInstances(project, registry)
  const defined = isDefined(config, instance) || remote.has(instance)
  if (!defined && !create)
    throw noInstance(config, instance, `To make it: ${retry} --create`, [...remote.keys()])
  return { instance, defined }
}

/**
 * An instance of the pool that nobody uses and that was nobody else's before, else the next one by the pool's template.
 */
export async function freeInstance(
  project: Project,
  config: ProjectConfig,
  registry: RegistryStore,
  user: UserName,
): Promise<Choice> {
  const taken = await usedInstances(registry)
  const remote = await remoteInstances(project, registry)
  const there = new Set([...config.instances.map(({ name }) => name), ...remote.keys()])
  for (const name of await givenOut(registry, config, there, remote)) {
    if (taken.has(name)) continue
    const last = await lastUser(project, name)
    if (last === undefined || last === user) return { instance: name, defined: true }
  }
  for (let n = 1; ; n += 1) {
    const instance = parseInstanceName(config.pool.name.replace('{n}', String(n)))
    if (instance === undefined)
      throw new CliError('pool_full', `No further name can be made by the template ${config.pool.name}.`, {
        hint: 'Name an instance: --instance NAME --create',
      })
    if (there.has(instance) || taken.has(instance)) continue
    const last = await lastUser(project, instance)
    if (last === undefined || last === user) return { instance, defined: false }
  }
}

/** Those that may be given to somebody: none of a host that takes nobody new, and, where the edge is a Worker, none that it cannot reach. */
async function givenOut(
  registry: RegistryStore,
  config: ProjectConfig,
  there: Iterable<InstanceName>,
  remote: ReadonlyMap<InstanceName, HostName>,
): Promise<InstanceName[]> {
  const hosts = await usableHosts(registry)
  return [...there].filter((name) => {
    const host = remote.get(name)
    return host === undefined ? canBeHere(config) : hosts.get(host)?.state === 'open'
  })
}

/** The instances that users or routes point at. */
async function usedInstances(registry: RegistryStore): Promise<Set<string>> {
  const used = new Set<string>()
  for (const kind of ['user', 'route'] as const) {
    for (const { record } of await registry.list(kind)) {
      // Whose it is cannot be told, so nothing may be given away until that is put right.
      if (record instanceof RecordError) throw record
      if (record.instance !== null) used.add(record.instance)
    }
  }
  return used
}

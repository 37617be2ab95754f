import { type InstanceName, parseInstanceName, RecordError, type UserName } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import { CliError } from '../errors.ts'
import { lastUser } from '../last-user.ts'
import type { ProjectConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { isDefined } from './define-instance.ts'

/** An instance for somebody, which may have to be defined first. */
export interface Choice {
  instance: InstanceName
  defined: boolean
}

/**
 * The instance that was named, if there is one, or may be made.
 * @throws {CliError} `instance_not_found` with those that there are
 */
export function namedInstance(
  config: ProjectConfig,
  instance: InstanceName,
  create: boolean,
  retry: string,
): Choice {
  const defined = isDefined(config, instance)
  if (!defined && !create) throw noInstance(config, instance, `To make it: ${retry} --create`)
  return { instance, defined }
}

export function noInstance(config: ProjectConfig, instance: string, hint: string): CliError {
  const names = config.instances.map(({ name }) => name)
  const there = names.length === 0 ? 'There are none yet.' : `There are: ${names.join(', ')}.`
  return new CliError('instance_not_found', `There is no instance ${instance}. ${there}`, hint)
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
  for (const { name } of config.instances) {
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
    if (isDefined(config, instance) || taken.has(instance)) continue
    const last = await lastUser(project, instance)
    if (last === undefined || last === user) return { instance, defined: false }
  }
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

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type HostName, type InstanceName, RecordError } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import type { InstanceDefinition } from '@mux/instance'
import { logFiles } from '@mux/instance/logs'
import { removeHistory } from '@mux/instance/settings-history'
import { changeConfig, withoutInstance } from '../config-edit.ts'
import { CliError } from '../errors.ts'
import { forgetUser } from '../last-user.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { endInstance, type Told } from '../running-host.ts'
import { removeSecret, secretName } from '../secrets.ts'
import { noInstance } from './no-instance.ts'
import { removeThere } from './instance-there.ts'
import { isDefined } from './define-instance.ts'
import { placeOf } from './find-place.ts'
import { instanceOrderLimit } from './order-limits.ts'

export interface RemovedInstance {
  instance: InstanceName
  /** On which host it was; null: here. */
  host: HostName | null
  /** Directory of what it keeps; null when that was removed as well. */
  data: string | null
  supervisor: Told
}

export interface RemoveInstanceOrder {
  instance: InstanceName
  /** Also remove its data, secrets and log. */
  purge: boolean
  confirm: (question: string) => Promise<void>
}

/**
 * Ends an instance and takes it out of mux.yaml and the registry.
 * @throws {CliError} `instance_not_found`, `instance_in_use`, `cancelled`
 */
export async function removeInstance(
  project: Project,
  registry: RegistryStore,
  { instance: name, purge, confirm }: RemoveInstanceOrder,
): Promise<RemovedInstance> {
  const config = await readConfig(project)
  const host = await placeOf(project, registry, name)
  if (host === null && !isDefined(config, name))
    throw noInstance(config, name, 'See what there is: mux instance list')
  await assertUnused(registry, name)
  await confirm(purge ? `Remove the instance ${name} and its data for good?` : `Remove the instance ${name}?`)
  if (host !== null) {
    const data = await withProjectLock(project, async () => {
      await assertUnused(registry, name)
      return removeThere(project, registry, host, name, purge)
    })
    if (purge) await forgetUser(project, name)
    return { instance: name, host, data, supervisor: 'told' }
  }
  const definition = await withProjectLock(project, async () => {
    await assertUnused(registry, name)
    return undefineInstance(project, registry, name)
  })
  const ended = await endDefined(project, definition)
  if (!purge) return ended
  await removeRest(project, definition)
  await forgetUser(project, name)
  return { ...ended, data: null }
}

/**
 * Ends what is here of an instance that the registry says to be elsewhere, and takes it out of mux.yaml, with its data.
 * @throws {CliError} `instance_not_found`
 */
export async function removeHere(project: Project, name: InstanceName): Promise<void> {
  const definition = await withProjectLock(project, async () => {
    const config = await readConfig(project)
    const found = config.instances.find((instance) => instance.name === name)
    if (found === undefined) throw noInstance(config, name, 'See what there is: mux instance list')
    await changeConfig(project, (text) => withoutInstance(text, name))
    return found
  })
  await endDefined(project, definition)
  await removeRest(project, definition)
}

/** What an instance leaves that was ended: data, logs and secrets. */
async function removeRest(project: Project, { name, settings }: InstanceDefinition): Promise<void> {
  await rm(join(project.state.data, name), { recursive: true, force: true })
  for (const file of logFiles(project.state.logs, name)) await rm(file, { force: true })
  for (const key of Object.keys(settings)) await removeSecret(project, secretName(name, key))
}

/**
 * Refuses while users or routes point at an instance.
 * @param except a user who is about to go as well
 * @throws {CliError} `instance_in_use`
 */
export async function assertUnused(
  registry: RegistryStore,
  name: InstanceName,
  except?: string,
): Promise<void> {
  const users = (await pointing(registry, 'user', name)).filter((user) => user !== except)
  const routes = await pointing(registry, 'route', name)
  if (users.length === 0 && routes.length === 0) return
  const by = [...users.map((user) => `user ${user}`), ...routes.map((route) => `route ${route}`)]
  const next =
    users.length > 0 ? `mux user move ${users[0]} --instance NAME` : `mux route remove ${routes[0]}`
  throw new CliError(
    'instance_in_use',
    `The instance ${name} is used by ${listed(by)}. Nothing was changed.`,
    {
      hint: `Give them another one first: ${next}`,
    },
  )
}

/**
 * Takes an instance out of mux.yaml and the registry; what runs of it goes on until {@link endDefined}. The caller holds
 * the project's lock and has seen that nobody uses the instance.
 */
export async function undefineInstance(
  project: Project,
  registry: RegistryStore,
  name: InstanceName,
): Promise<InstanceDefinition> {
  const config = await readConfig(project)
  const definition = config.instances.find((instance) => instance.name === name)
  if (definition === undefined) throw noInstance(config, name, 'See what there is: mux instance list')
  const change = await changeConfig(project, (text) => withoutInstance(text, name))
  try {
    await registry.change(() => ({ changes: [{ kind: 'instance', name, record: null }], result: null }))
  } catch (error) {
    await change.undo()
    throw error
  }
  return definition
}

/** Has the supervisor end an instance that is no longer defined; returns when its processes are gone. */
export async function endDefined(
  project: Project,
  definition: InstanceDefinition,
): Promise<RemovedInstance & { data: string }> {
  const { name } = definition
  const supervisor = await endInstance(project, name, instanceOrderLimit(definition))
  await removeHistory(project.state.directory, name)
  return { instance: name, host: null, data: join(project.state.data, name), supervisor }
}

async function pointing(
  registry: RegistryStore,
  kind: 'user' | 'route',
  instance: InstanceName,
): Promise<string[]> {
  const records = await registry.list(kind)
  return records
    .filter(({ record }) => !(record instanceof RecordError) && record.instance === instance)
    .map(({ name }) => name)
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}

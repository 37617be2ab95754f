import type { InstanceName, InstanceRecord } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { CliError } from '../errors.ts'
import { readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { answerOfHost } from '../remote-command.ts'
import { secretsAsInput } from '../setting-arguments.ts'
import type { AddInstanceOrder, AddInstanceResult } from './add-instance.ts'
import { type DefinedInstance, defineInstance } from './define-instance.ts'
import { type NewPlace, placeForNew, requireRemote } from './find-place.ts'

/**
 * Adds an instance on another host and then, when it is there, to the registry. Its settings are the host's alone. The caller holds the
 * project's lock.
 * @param isNew refuses one that the host has already, which may be somebody's
 * @throws {CliError} what the host refuses it with
 */
export async function addThere(
  project: Project,
  registry: RegistryStore,
  { name: host, record }: NewPlace,
  { instance, set, secrets }: AddInstanceOrder,
  isNew = false,
): Promise<AddInstanceResult> {
  const remote = await requireRemote(project, registry, host)
  const args = [
    'instance',
    'add',
    instance,
    ...Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    ...Object.keys(secrets).flatMap((key) => ['--secret', key]),
  ]
  const input = Object.keys(secrets).length === 0 ? undefined : secretsAsInput(secrets)
  const { changed } = await answerOfHost<{ changed: boolean }>(remote, args, { input })
  if (isNew && !changed)
    throw new CliError('instance_exists', `On ${host} there is an instance ${instance} already.`, {
      hint: `To have it known here, and then given to somebody: mux instance add ${instance} --host ${host}`,
    })
  const isRecorded = await registry.change((read) => {
    if (read('instance', instance)?.host === host) return { changes: [], result: false }
    const made: InstanceRecord = { v: 1, host, origin: record.origin, state: 'open', message: null }
    return { changes: [{ kind: 'instance', name: instance, record: made }], result: true }
  })
  return { instance, host, changed: changed || isRecorded, supervisor: changed ? 'told' : null }
}

/**
 * Defines an instance without settings of its own where a new one goes: all of it or nothing. The caller holds the project's lock and
 * has seen that there is none.
 * @throws {CliError} as {@link defineInstance}; `host_not_found`, and what the host refuses it with
 */
export async function defineSomewhere(
  project: Project,
  registry: RegistryStore,
  instance: InstanceName,
): Promise<DefinedInstance> {
  const place = await placeForNew(registry, await readConfig(project))
  if (place === null) return defineInstance(project, registry, instance, {})
  await addThere(project, registry, place, { instance, set: {}, secrets: {} }, true)
  return {
    told: 'told',
    undo: async () => void (await removeThere(project, registry, place.name, instance, false)),
  }
}

/**
 * Removes an instance from another host, and then from the registry; one that is gone there already, from the registry alone.
 * The caller has seen that nobody uses it.
 * @returns the directory of its data on that host; null when those were removed as well, or it is not known
 */
export async function removeThere(
  project: Project,
  registry: RegistryStore,
  host: InstanceRecord['host'],
  instance: InstanceName,
  purge: boolean,
): Promise<string | null> {
  const remote = await requireRemote(project, registry, host)
  const args = ['instance', 'remove', instance, '--yes', ...(purge ? ['--purge'] : [])]
  const gone = (error: unknown) => {
    if (error instanceof CliError && error.code === 'instance_not_found') return { data: null }
    throw error
  }
  const { data } = await answerOfHost<{ data: string | null }>(remote, args).catch(gone)
  await registry.change(() => ({
    changes: [{ kind: 'instance', name: instance, record: null }],
    result: null,
  }))
  return data
}

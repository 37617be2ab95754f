import { type InstanceName, type InstanceRecord, LOCAL_HOST, LOCAL_ORIGIN } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import type { InstanceEntry } from '@mux/instance'
import { removeHistory } from '@mux/instance/settings-history'
import { changeConfig, withInstance } from '../config-edit.ts'
import type { ProjectConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { reloadHost, type Told } from '../running-host.ts'

const OPEN = { state: 'open', message: null } as const

/** An instance that was defined just now, and what takes that back. */
export interface DefinedInstance {
  told: Told
  undo: () => Promise<void>
}

/**
 * Defines an instance in mux.yaml and in the registry and tells the supervisor, or does none of it. The caller holds the
 * project's lock and has seen that there is no such instance.
 * @param wanted what the operator wants of it
 * @throws {CliError} `config_invalid`, `setting_invalid`, `supervisor_unresponsive`
 */
export async function defineInstance(
  project: Project,
  registry: RegistryStore,
  name: InstanceName,
  entry: InstanceEntry,
  wanted: Pick<InstanceRecord, 'state' | 'message'> = OPEN,
): Promise<DefinedInstance> {
  const change = await changeConfig(project, (text) => withInstance(text, name, entry))
  // Of one of that name which somebody took out of mux.yaml by hand.
  await removeHistory(project.state.directory, name)
  let recorded = false
  const undo = async () => {
    await change.undo()
    if (recorded)
      await registry.change(() => ({ changes: [{ kind: 'instance', name, record: null }], result: null }))
    await reloadHost(project)
  }
  try {
    recorded = await recordInstance(registry, name, { ...localInstance(change.after), ...wanted })
    return { told: await reloadHost(project), undo }
  } catch (error) {
    // The first failure is the one to report; the second would only say that the supervisor is still not there.
    await undo().catch(() => undefined)
    throw error
  }
}

/**
 * Has the supervisor learn of an instance that somebody wrote into mux.yaml by hand; of all others it knows.
 * @returns null when there was nothing to tell
 * @throws {CliError} `supervisor_unresponsive`
 */
export async function announceInstance(
  project: Project,
  registry: RegistryStore,
  name: InstanceName,
): Promise<Told | null> {
  // Whatever the supervisor has read in mux.yaml is in the registry.
  return (await registry.read('instance', name)) === undefined ? reloadHost(project) : null
}

/** Records where an instance is, unless that is known; returns whether it was not. */
async function recordInstance(
  registry: RegistryStore,
  name: InstanceName,
  record: InstanceRecord,
): Promise<boolean> {
  return registry.change((read) =>
    read('instance', name) === undefined
      ? { changes: [{ kind: 'instance', name, record }], result: true }
      : { changes: [], result: false },
  )
}

/** The record of an instance that runs on this machine, as the host that it is. */
export function localInstance({ host }: Pick<ProjectConfig, 'host'>): InstanceRecord {
  const target = host ? { host: host.name, origin: host.origin } : { host: LOCAL_HOST, origin: LOCAL_ORIGIN }
  return { v: 1, ...target, ...OPEN }
}

export function isDefined(config: ProjectConfig, name: string): boolean {
  return config.instances.some((instance) => instance.name === name)
}

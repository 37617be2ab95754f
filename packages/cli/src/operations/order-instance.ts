import { type InstanceName, type InstanceStatus, type RestartReport } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import type { InstanceDefinition } from '@mux/instance'
import { sendOrder } from '../control-client.ts'
import { unlessInterrupted } from '../end-signals.ts'
import { CliError } from '../errors.ts'
import { type ProjectConfig, readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { isEnding } from '../running-host.ts'
import { noInstance } from './no-instance.ts'
import { recordInstanceState } from './instance-state.ts'
import { instanceOrderLimit } from './order-limits.ts'

/**
 * Lets an instance serve again and boots it. What is wanted is recorded first, so that it holds whatever comes of the boot.
 * @throws {CliError} `instance_not_found`; `not_running` when there is nobody to boot it
 * @throws {ControlError} `instance_failed` with the end of its log
 */
export async function startInstance(
  project: Project,
  registry: RegistryStore,
  name: InstanceName,
): Promise<InstanceStatus> {
  const config = await readConfig(project)
  const definition = requireInstance(config, name)
  await recordInstanceState(registry, name, { state: 'open', message: null }, config.host)
  const { controlSocket } = project.state
  const limit = instanceOrderLimit(definition)
  return unlessInterrupted((signal) =>
    sendOrder(controlSocket, { op: 'start', instance: name }, limit, signal),
  ).catch((error: unknown) => {
    if (isEnding(error))
      throw new CliError('shutting_down', `mux is just ending. Once it runs again, ${name} serves.`, {
        hint: 'Start it: mux up --detach',
        cause: error,
      })
    if (!(error instanceof CliError && error.code === 'not_running')) throw error
    throw new CliError('not_running', `mux is not running here. Once it is, ${name} serves.`, {
      hint: error.hint,
      cause: error,
    })
  })
}

/**
 * Stops an instance, and keeps it stopped until it is started by the operator.
 * @param message what those who come meanwhile are told
 * @returns null when mux is not running, or ending, so that there is nothing to stop: it will stay so
 */
export async function stopInstance(
  project: Project,
  registry: RegistryStore,
  name: InstanceName,
  message: string | null,
): Promise<InstanceStatus | null> {
  // While mux.yaml is broken, an operator must still be able to stop what was started before.
  const config = await readConfig(project).catch(() => undefined)
  const definition = config && requireInstance(config, name)
  await recordInstanceState(registry, name, { state: 'maintenance', message }, config?.host ?? null)
  const { controlSocket } = project.state
  const limit = instanceOrderLimit(definition)
  return unlessInterrupted((signal) =>
    sendOrder(controlSocket, { op: 'stop', instance: name }, limit, signal),
  ).catch((error: unknown) => {
    if (isEnding(error) || (error instanceof CliError && error.code === 'not_running')) return null
    throw error
  })
}

/** @throws as {@link startInstance}; a restart that fails leaves what ran before */
export async function restartInstance(project: Project, name: InstanceName): Promise<RestartReport> {
  const definition = requireInstance(await readConfig(project), name)
  return unlessInterrupted((signal) => orderRestart(project, definition, signal))
}

/** @throws {ControlError} `instance_failed` … */
export function orderRestart(
  { state }: Project,
  { name, limits }: Pick<InstanceDefinition, 'name' | 'limits'>,
  signal?: AbortSignal,
): Promise<RestartReport> {
  const limit = instanceOrderLimit({ limits })
  return sendOrder(state.controlSocket, { op: 'restart', instance: name }, limit, signal)
}

/** @throws {CliError} `instance_not_found`, naming those that there are */
export function requireInstance(config: ProjectConfig, name: InstanceName): InstanceDefinition {
  const found = config.instances.find((instance) => instance.name === name)
  if (found) return found
  throw noInstance(config, name, 'Add one: mux instance add NAME')
}

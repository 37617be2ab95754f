import { ControlError, type HostStatus, type InstanceName } from '@mux/contract'
import { sendOrder } from './control-client.ts'
import { CliError } from './errors.ts'
import type { Project } from './project.ts'

/** How long the supervisor may take for what it answers at once, in milliseconds. */
const AT_ONCE = 5_000

/** Whether a change that is on disk has reached the supervisor: it runs and knows, or it reads it when it starts. */
export type Told = 'told' | 'not_running'

/**
 * Has the supervisor read mux.yaml and the registry again. Where none runs there is nothing to do.
 * @throws {CliError} `supervisor_unresponsive`, {@link ControlError}
 */
export async function reloadHost(project: Project): Promise<Told> {
  return toldOf(sendOrder(project.state.controlSocket, { op: 'reload' }, AT_ONCE))
}

/** Has the edge, or the gateway, use the keys that are on the disk now. */
export async function reloadKeys(project: Project): Promise<Told> {
  return toldOf(sendOrder(project.state.controlSocket, { op: 'keys' }, AT_ONCE))
}

/** What the supervisor says of itself; undefined when none runs. */
export async function hostStatus(project: Project, patience = AT_ONCE): Promise<HostStatus | undefined> {
  return unlessNotRunning(sendOrder(project.state.controlSocket, { op: 'status' }, patience), undefined)
}

/** Ends an instance that mux.yaml no longer has, and returns when its processes are gone. */
export async function endInstance(project: Project, name: InstanceName, timeout: number): Promise<Told> {
  return unlessNotRunning<Told>(stopAndReload(project, name, timeout), 'not_running')
}

async function stopAndReload(project: Project, instance: InstanceName, timeout: number): Promise<Told> {
  try {
    await sendOrder(project.state.controlSocket, { op: 'stop', instance }, timeout)
  } catch (error) {
    // Another reload was faster.
    if (!(error instanceof ControlError && error.code === 'instance_not_found')) throw error
  }
  return reloadHost(project)
}

/** True for a supervisor that is ending: it takes no more orders, and the next one reads anew what was changed. */
export function isEnding(error: unknown): boolean {
  return error instanceof ControlError && error.code === 'shutting_down'
}

async function toldOf(order: Promise<unknown>): Promise<Told> {
  const told = order.then(
    (): Told => 'told',
    (error: unknown): Told => {
      if (isEnding(error)) return 'not_running'
      throw error
    },
  )
  return unlessNotRunning<Told>(told, 'not_running')
}

async function unlessNotRunning<Result>(task: Promise<Result>, otherwise: Result): Promise<Result>
async function unlessNotRunning<Result>(
  task: Promise<Result>,
  otherwise: undefined,
): Promise<Result | undefined>
async function unlessNotRunning<Result>(task: Promise<Result>, otherwise: Result): Promise<Result> {
  try {
    return await task
  } catch (error) {
    if (error instanceof CliError && error.code === 'not_running') return otherwise
    throw error
  }
}

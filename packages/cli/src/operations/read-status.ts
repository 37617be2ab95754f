import { type HostStatus, type InstanceStatus, RecordError } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { logPath } from '@mux/instance/logs'
import { sendOrder } from '../control-client.ts'
import { concernOf } from '../describe-status.ts'
import { CliError } from '../errors.ts'
import type { Project } from '../project.ts'
import { withRegistry } from '../registry.ts'
import { type InstanceEvent, lastEvents } from './read-events.ts'
import { readLines } from './read-log.ts'

/** How long the supervisor may take to say how it is, in milliseconds. */
const PATIENCE = 1_500
const EVENTS = 10
const LOG_LINES = 20

/** One instance as it runs, and who is served by it. */
export interface InstanceOverview extends InstanceStatus {
  users: string[]
  /** What happened to it last, oldest first; only where one instance was asked for. */
  events?: InstanceEvent[]
  /** The end of its log, oldest line first; only where one instance was asked for that does not run as it should. */
  log?: string[]
}

export interface StatusReport extends Omit<HostStatus, 'instances'> {
  instances: InstanceOverview[]
}

/**
 * What runs here and for whom.
 * @param only the one instance to tell of
 * @throws {CliError} `not_running`, `supervisor_unresponsive`, `instance_not_found`
 */
export async function readStatus(project: Project, only: string | undefined): Promise<StatusReport> {
  const status = await sendOrder(project.state.controlSocket, { op: 'status' }, PATIENCE)
  const users = await withRegistry(project, usersByInstance)
  const instances: InstanceOverview[] = status.instances
    .filter(({ name }) => only === undefined || name === only)
    .map((instance) => ({ ...instance, users: users.get(instance.name) ?? [] }))
  if (only !== undefined && instances[0] !== undefined) await tellMore(project, instances[0])
  if (only !== undefined && instances.length === 0) {
    throw new CliError('instance_not_found', `mux runs no instance ${JSON.stringify(only)}.`, {
      hint: `It runs: ${status.instances.map(({ name }) => name).join(', ') || 'none'}`,
    })
  }
  return { ...status, instances }
}

async function tellMore({ state }: Project, instance: InstanceOverview): Promise<void> {
  instance.events = await lastEvents(state.logs, instance.name, EVENTS)
  if (concernOf(instance)?.grave)
    instance.log = await readLines(logPath(state.logs, instance.name), { lines: LOG_LINES })
}

/** Who is sent to which instance. */
export async function usersByInstance(registry: RegistryStore): Promise<Map<string, string[]>> {
  const listed = await registry.list('user')
  const users = new Map<string, string[]>()
  for (const { name, record } of listed) {
    if (record instanceof RecordError || record.instance === null) continue
    const served = users.get(record.instance)
    if (served) served.push(name)
    else users.set(record.instance, [name])
  }
  return users
}

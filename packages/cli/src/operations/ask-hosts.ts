import { type HostName, type HostRecord, type HostStatus, RecordError } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { toCliError } from '../errors.ts'
import { clockAhead, HostFailure } from '../host-failure.ts'
import { remoteHost } from '../operator-keys.ts'
import { projectRole } from '../project-role.ts'
import type { Project } from '../project.ts'
import { orderHost } from '../remote-host.ts'
import { hostStatus } from '../running-host.ts'

/** How long a host may take to say how it is, in milliseconds. */
const PATIENCE = 3_000

export interface AskedHost {
  name: HostName
  /** Null: its record cannot be used. */
  record: HostRecord | null
  /** Whether it is this very project. */
  here: boolean
  /** Null: it was not reached. */
  status: HostStatus | null
  /** Why not; and what else is the matter with it. */
  problem: string | null
  /** How far its clock is ahead of ours, in milliseconds, where that matters; else null. */
  clock: number | null
}

/**
 * Asks each host how it is, all at once. One that is not reached is told of with the reason, and keeps nobody waiting for
 * longer than three seconds.
 * @param only the one to ask
 */
export async function askHosts(
  project: Project,
  registry: RegistryStore,
  only?: HostName,
): Promise<AskedHost[]> {
  const hosts = await registry.list('host')
  // Most projects have none, and what mux.yaml says of them need not be read for that.
  if (hosts.length === 0) return []
  const here = (await projectRole(project)).host
  const asked = hosts.filter(({ name }) => only === undefined || name === only)
  return Promise.all(asked.map(({ name, record }) => ask(project, name as HostName, record, name === here)))
}

async function ask(
  project: Project,
  name: HostName,
  record: HostRecord | RecordError,
  here: boolean,
): Promise<AskedHost> {
  const base = {
    name,
    record: record instanceof RecordError ? null : record,
    here,
    status: null,
    clock: null,
  }
  if (record instanceof RecordError) return { ...base, problem: 'its record cannot be used' }
  const began = Date.now()
  try {
    const status = here
      ? await hostStatus(project, PATIENCE)
      : await orderHost(await remoteHost(project, name, record), { op: 'status' }, PATIENCE)
    if (status === undefined) return { ...base, problem: 'mux is not running here' }
    if (status.host !== name) return { ...base, problem: `what answers there is the host ${status.host}` }
    return {
      ...base,
      status,
      problem: null,
      clock: clockAhead(Date.parse(status.now ?? ''), (began + Date.now()) / 2),
    }
  } catch (error) {
    return { ...base, problem: error instanceof HostFailure ? error.reason : toCliError(error).message }
  }
}

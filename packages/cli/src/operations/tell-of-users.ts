import { setTimeout as sleep } from 'node:timers/promises'
import { type HostName, KNOWN_AT_ONCE, type KnownUser, RecordError } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { sendOrder } from '../control-client.ts'
import { CliError, toCliError } from '../errors.ts'
import { HostFailure } from '../host-failure.ts'
import { remoteHost } from '../operator-keys.ts'
import type { ProjectRole } from '../project-role.ts'
import type { Project } from '../project.ts'
import { orderHost } from '../remote-host.ts'

/** How long a host may take to be told, in milliseconds, where nobody waits for it. */
const PATIENCE = 3_000
/** How long a command waits that was to return only when every host has been told, and how often it tries. */
const WAIT = { limit: 60_000, every: 1_000 }

export interface ToldHost {
  host: HostName
  /** Why it was not told; null: it was. */
  problem: string | null
}

/**
 * Tells every host which versions of these users' records count from now on, all hosts at once: a host refuses what was decided by an
 * older one, whatever Workers KV still gives to the edge, and closes what is open by one.
 * @param wait tries those again that were not reached, for a minute
 * @returns one for each host; empty when there are none
 */
export async function tellOfUsers(
  project: Project,
  registry: RegistryStore,
  role: ProjectRole,
  users: readonly KnownUser[],
  wait: boolean,
): Promise<ToldHost[]> {
  if (users.length === 0) return []
  const deadline = performance.now() + (wait ? WAIT.limit : 0)
  const hosts = await registry.list('host')
  return Promise.all(
    hosts.map(async ({ name }) => {
      const host = name as HostName
      for (;;) {
        const problem = await tell(project, registry, role, host, users)
        if (problem === null || performance.now() > deadline) return { host, problem }
        await sleep(WAIT.every)
      }
    }),
  )
}

/** Tells of as many users at a time as one order takes. */
export async function inParts(
  users: readonly KnownUser[],
  tell: (part: KnownUser[]) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < users.length; at += KNOWN_AT_ONCE) await tell(users.slice(at, at + KNOWN_AT_ONCE))
}

/** @returns why it could not be told */
async function tell(
  project: Project,
  registry: RegistryStore,
  role: ProjectRole,
  host: HostName,
  users: readonly KnownUser[],
): Promise<string | null> {
  try {
    const record = await registry.read('host', host)
    // Removed meanwhile: nothing leads there.
    if (record === undefined) return null
    await inParts(users, async (part) => {
      const order = { op: 'known', users: part } as const
      if (host === role.host) await sendOrder(project.state.controlSocket, order, PATIENCE)
      else await orderHost(await remoteHost(project, host, record), order, PATIENCE)
    })
    return null
  } catch (error) {
    if (error instanceof RecordError) return 'its record cannot be used'
    // It reads the registry when it starts, and nobody is served there until then.
    if (host === role.host && error instanceof CliError && error.code === 'not_running') return null
    return error instanceof HostFailure ? error.reason : toCliError(error).message
  }
}

/** That some hosts were not told. */
export function untold(hosts: readonly ToldHost[]): CliError {
  const missed = hosts.filter(({ problem }) => problem !== null)
  const names = missed.map(({ host }) => host).join(', ')
  return new CliError('host_untold', `It is done, but ${names} could not be told.`, {
    hint: 'Within a minute or so no edge sends anybody there by older records. See: mux host list   To tell them again: mux registry push',
    details: missed.map(({ host, problem }) => `${host}: ${problem}`),
  })
}

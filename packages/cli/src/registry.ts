import type { UserName } from '@mux/contract'
import { openSqliteRegistry, type RegistryStore } from '@mux/edge/registry'
import { CliError, EXIT, toCliError } from './errors.ts'
import { noteChanges } from './noted-changes.ts'
import type { ToldHost } from './operations/tell-of-users.ts'
import { type ProjectRole, projectRole } from './project-role.ts'
import { ensureStateDirectory, type Project } from './project.ts'
import { hint } from './render.ts'

export interface RegistryOptions {
  /**
   * Where what is changed is carried: `all`, to KV and the hosts; `hosts`, to these alone, since it comes from KV; `nowhere`, since
   * that is done by the one who asks.
   */
  carry?: 'all' | 'hosts' | 'nowhere'
  /**
   * The user whom the task is about. They are carried also where it changes nothing, or finds nobody of this name: an earlier one
   * may have come no further than here.
   */
  about?: UserName | undefined
  /** Returns only when every host has been told of this user, and of others who were changed, up to a minute. */
  wait?: boolean | undefined
  /** Told which hosts were told of users who were changed, when there are any; without it, those that were not are named. */
  told?: (hosts: readonly ToldHost[]) => void
  /**
   * Told, after the task, that what it changed is here and not everywhere else yet; without it, that is thrown. A command has
   * its result to show first.
   */
  late?: (failure: CliError) => void
}

/**
 * Opens the registry of a project for the time of `task`. What the task has changed is carried to wherever else it counts: Workers
 * KV, where the edge reads that, and the hosts; once, after the task, also when it fails.
 * @throws {CliError} `registry_behind`, `host_untold`; `record_unfit` from a change
 */
export async function withRegistry<Result>(
  project: Project,
  task: (registry: RegistryStore) => Promise<Result>,
  { carry = 'all', about, wait = false, told, late }: RegistryOptions = {},
): Promise<Result> {
  await ensureStateDirectory(project)
  // Not before something is changed: who only reads here needs nothing of mux.yaml.
  let role: Promise<ProjectRole> | undefined
  const registry = noteChanges(openSqliteRegistry(project.state.registry), async () => {
    role ??= projectRole(project)
    const { registry: place } = await role
    if (place === 'sqlite' || carry === 'hosts') return () => {}
    const { checkChangeForWorker } = await import('./operations/check-for-worker.ts')
    return checkChangeForWorker
  })
  /** @returns what is not everywhere that it has to be */
  const publish = async (whom: UserName | undefined): Promise<CliError | null> => {
    const noted = role === undefined ? [] : await registry.noted()
    if (carry === 'nowhere' || (noted.length === 0 && whom === undefined)) return null
    const parts = await (role ?? projectRole(project))
    if (parts.registry === 'sqlite' && !(await hasHosts(registry))) return null
    const publication = await import('./publication.ts')
    const users = await publication.usersAmong(registry, noted)
    const found = whom === undefined ? undefined : await registry.read('user', whom)
    if (found && !users.some(({ name }) => name === whom))
      users.push({ name: whom!, version: found.version, gone: found.disabled })
    const isNoted = noted.some(({ kind, name }) => kind === 'user' && name === whom)
    const records = whom === undefined || isNoted ? noted : [...noted, { kind: 'user', name: whom } as const]
    const news = { records, users }
    const options = { carry, wait, tell }
    const { hosts, failure } = await orSaySo(publication.publish(project, registry, parts, news, options))
    if (hosts.length > 0) told?.(hosts)
    const missed = hosts.filter(({ problem }) => problem !== null)
    if (missed.length === 0) return failure
    if (failure !== null || !wait) {
      for (const { host, problem } of missed) tell(`The host ${host} was not told: ${problem}.`)
      return failure
    }
    const { untold } = await import('./operations/tell-of-users.ts')
    return untold(missed)
  }
  try {
    const result = await task(registry).catch(async (error: unknown) => {
      const isGone = error instanceof CliError && error.code === 'user_not_found'
      const failure = await publish(isGone ? about : undefined).catch(toCliError)
      if (failure) tell(failure.message)
      throw error
    })
    const failure = await publish(about).catch(toCliError)
    if (failure && late === undefined) throw failure
    if (failure) late!(failure)
    return result
  } finally {
    registry.close()
  }
}

/** Whoever interrupts it has to know that it is half done. */
async function orSaySo<Result>(publishing: Promise<Result>): Promise<Result> {
  const interrupt = () => {
    tell('Interrupted: it is done here, and not known everywhere yet. To have it known: mux registry push')
    process.exit(EXIT.interrupted)
  }
  process.once('SIGINT', interrupt)
  try {
    return await publishing
  } finally {
    process.off('SIGINT', interrupt)
  }
}

async function hasHosts(registry: RegistryStore): Promise<boolean> {
  return (await registry.list('host')).length > 0
}

/** On standard error, as all that is no result. */
function tell(text: string): void {
  process.stderr.write(`${hint(text)}\n`)
}

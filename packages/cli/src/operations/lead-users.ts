import { type InstanceName, type KnownUser, RecordError, type Target } from '@mux/contract'
import type { CliError } from '../errors.ts'
import type { NotedChange } from '../noted-changes.ts'
import type { Project } from '../project.ts'
import { withRegistry } from '../registry.ts'
import { recordInstances, redirectUsers } from './repair-registry.ts'
import type { ToldHost } from './tell-of-users.ts'

/** What became of leading the users of an instance somewhere. */
export interface Led {
  users: string[]
  /** Which hosts know; empty when KV does not. */
  told: readonly ToldHost[]
  /** Why KV does not have it; null: it has, or is not where the edge reads. */
  behind: CliError | null
}

/** Has all who lead to an instance lead to where it is from now on: here first, then in KV, and when that has it, the hosts are told. */
export async function leadTo(project: Project, name: InstanceName, target: Target): Promise<Led> {
  const led: Led = { users: [], told: [], behind: null }
  await withRegistry(
    project,
    async (registry) => {
      await recordInstances(registry, [name], target)
      await redirectUsers(registry, [name], target, Date.now())
      led.users = (await usersOf(registry, name)).map((user) => user.name)
    },
    {
      carry: 'in-order',
      told: (hosts) => {
        led.told = hosts
      },
      late: (failure) => {
        led.behind = failure
      },
    },
  )
  return led
}

/**
 * Has them lead back where KV did not take that, or not all of it: first whom nobody may reach any more by what it may have taken is
 * refused there, then it is tried to have KV say so.
 * @param fence has the one end refuse whoever is sent there by an older record than these
 * @returns tries to have it in KV; what fails is for `mux registry push`
 */
export async function leadBack(
  project: Project,
  name: InstanceName,
  target: Target,
  fence: (users: readonly KnownUser[]) => Promise<void>,
): Promise<() => Promise<void>> {
  const users = await withRegistry(
    project,
    async (registry) => {
      await recordInstances(registry, [name], target)
      await redirectUsers(registry, [name], target, Date.now())
      return usersOf(registry, name)
    },
    { carry: 'nowhere' },
  )
  await fence(users).catch(() => undefined)
  return () =>
    withRegistry(
      project,
      async (registry) => {
        const { writeToKv } = await import('../publication.ts')
        const changed = [
          { kind: 'instance', name, before: undefined } as const,
          ...users.map((user) => ({ kind: 'user', name: user.name, before: undefined }) as const),
        ] satisfies NotedChange[]
        await writeToKv(project, registry, changed, () => {})
      },
      { carry: 'nowhere' },
    )
}

async function usersOf(
  registry: Parameters<typeof recordInstances>[0],
  instance: InstanceName,
): Promise<KnownUser[]> {
  return (await registry.list('user')).flatMap(({ name, record }) =>
    record instanceof RecordError || record.instance !== instance
      ? []
      : [{ name: name as KnownUser['name'], version: record.version }],
  )
}

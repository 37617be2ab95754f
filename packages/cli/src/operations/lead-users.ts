import { type InstanceName, type KnownUser, RecordError, type Target } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { type CliError, toCliError } from '../errors.ts'
import { projectRole } from '../project-role.ts'
import type { Project } from '../project.ts'
import { type News, publish, writeToKv } from '../publication.ts'
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

/**
 * Has all who lead to an instance lead to where it is from now on: here first, then in KV, and when that has it, the hosts are told.
 * Again, all of it is told again.
 * @param tell told whenever Cloudflare is waited for
 */
export async function leadTo(
  project: Project,
  name: InstanceName,
  target: Target,
  tell: (text: string) => void,
): Promise<Led> {
  const lead = async (registry: RegistryStore): Promise<Led> => {
    const news = await redirect(registry, name, target)
    const options = { carry: 'in-order', wait: false, tell } as const
    const { hosts, failure } = await publish(project, registry, await projectRole(project), news, options)
    return { users: news.users.map((user) => user.name), told: hosts, behind: failure }
  }
  return withRegistry(project, lead, { carry: 'nowhere' })
}

export interface LedBack {
  /** Why the other end may serve those whom KV sends there; null: it refuses them. */
  unfenced: string | null
  /** Tries to have it in KV; what fails is for `mux registry push`. */
  publish: () => Promise<void>
}

/**
 * Has them lead back where KV did not take that, or not all of it: whom nobody may reach any more by what it may have taken is
 * refused there.
 * @param fence has the one end refuse whoever is sent there by an older record than these
 */
export async function leadBack(
  project: Project,
  name: InstanceName,
  target: Target,
  fence: (users: readonly KnownUser[]) => Promise<void>,
): Promise<LedBack> {
  const news = await withRegistry(project, (registry) => redirect(registry, name, target), {
    carry: 'nowhere',
  })
  const unfenced = await fence(news.users).then(
    () => null,
    (error: unknown) => toCliError(error).message,
  )
  const publish = () =>
    withRegistry(project, (registry) => writeToKv(project, registry, news.records, () => {}), {
      carry: 'nowhere',
    })
  return { unfenced, publish }
}

/** @returns all who lead to the instance, also who did so before */
async function redirect(registry: RegistryStore, name: InstanceName, target: Target): Promise<News> {
  await recordInstances(registry, [name], target)
  await redirectUsers(registry, [name], target, Date.now())
  const users = (await registry.list('user')).flatMap(({ name: user, record }) =>
    record instanceof RecordError || record.instance !== name
      ? []
      : [{ name: user as KnownUser['name'], version: record.version }],
  )
  const records = users.map((user) => ({ kind: 'user', name: user.name }) as const)
  return { records: [{ kind: 'instance', name }, ...records], users }
}

import { type InstanceName, RecordError, type UserName } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { removeUser } from './change-user.ts'
import { isDefined } from './define-instance.ts'
import { existing } from './existing-user.ts'
import { assertUnused, endDefined, undefineInstance } from './remove-instance.ts'

export interface RemovePersonOrder {
  user: UserName
  withInstance: boolean
  confirm: (question: string) => Promise<void>
}

export interface RemovePersonResult {
  user: UserName
  tokens: number
  /** Where they were; null: nowhere. */
  instance: string | null
  instanceRemoved: boolean
  /** Directory of what the instance keeps. */
  data: string | null
}

/**
 * Revokes and unmaps a user, and then, if ordered, ends their instance. That others use the instance is found out before
 * anything is changed.
 * @throws {CliError} `user_not_found`, `instance_in_use`, `cancelled`
 */
export async function removePerson(
  project: Project,
  registry: RegistryStore,
  { user, withInstance, confirm }: RemovePersonOrder,
): Promise<RemovePersonResult> {
  const instance = await instanceOf(registry, user)
  const ending = withInstance ? instance : null
  if (ending !== null) await assertUnused(registry, ending, user)
  await confirm(
    ending === null ? `Remove the user ${user}?` : `Remove the user ${user} and end the instance ${ending}?`,
  )
  const { tokens, definition } = await withProjectLock(project, async () => {
    if (ending !== null) await assertUnused(registry, ending, user)
    // Before anything is changed: it may be that mux.yaml is unusable, or has no such instance any more.
    const defined = ending !== null && isDefined(await readConfig(project), ending)
    const removed = await removeUser(registry, user)
    return { ...removed, definition: defined ? await undefineInstance(project, registry, ending) : null }
  })
  const ended = definition === null ? null : await endDefined(project, definition)
  return { user, tokens, instance, instanceRemoved: ended !== null, data: ended?.data ?? null }
}

/** @throws {CliError} `user_not_found` */
async function instanceOf(registry: RegistryStore, user: UserName): Promise<InstanceName | null> {
  try {
    return (await existing(registry, user)).instance
  } catch (error) {
    // A record that cannot be used can be removed all the same.
    if (error instanceof RecordError) return null
    throw error
  }
}

import { type HostName, type InstanceName, RecordError, type UserName } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import type { InstanceDefinition } from '@mux/instance'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { removeUser } from './change-user.ts'
import { isDefined } from './define-instance.ts'
import { existing } from './existing-user.ts'
import { placeOf } from './find-place.ts'
import { removeThere } from './instance-there.ts'
import { assertUnused, endDefined, undefineInstance } from './remove-instance.ts'

export interface RemovePersonOrder {
  user: UserName
  withInstance: boolean
  confirm: (question: string) => Promise<void>
}

export interface RemovedPerson {
  user: UserName
  tokens: number
  /** Where they were; null: nowhere. */
  instance: string | null
  /** The instance that is to end with them; it is out of mux.yaml already where it is here. */
  ending: { name: InstanceName; place: HostName | InstanceDefinition } | null
}

/**
 * Revokes and unmaps a user; what is ordered to end with them ends by {@link endWithPerson}, when all have been told. That others use
 * the instance is found out before anything is changed.
 * @throws {CliError} `user_not_found`, `instance_in_use`, `cancelled`
 */
export async function removePerson(
  project: Project,
  registry: RegistryStore,
  { user, withInstance, confirm }: RemovePersonOrder,
): Promise<RemovedPerson> {
  const instance = await instanceOf(registry, user)
  const ending = withInstance ? instance : null
  if (ending !== null) await assertUnused(registry, ending, user)
  await confirm(
    ending === null ? `Remove the user ${user}?` : `Remove the user ${user} and end the instance ${ending}?`,
  )
  return withProjectLock(project, async () => {
    if (ending !== null) await assertUnused(registry, ending, user)
    const host = ending === null ? null : await placeOf(project, registry, ending)
    // Before anything is changed: it may be that mux.yaml is unusable, or has no such instance any more.
    const isHere = ending !== null && host === null && isDefined(await readConfig(project), ending)
    const { tokens } = await removeUser(registry, user)
    const place = isHere ? await undefineInstance(project, registry, ending) : host
    return {
      user,
      tokens,
      instance,
      ending: ending === null || place === null ? null : { name: ending, place },
    }
  })
}

/**
 * Ends the instance of somebody who was removed.
 * @returns where its data are; null where they are not known to be anywhere
 */
export async function endWithPerson(
  project: Project,
  registry: RegistryStore,
  { name, place }: NonNullable<RemovedPerson['ending']>,
): Promise<string | null> {
  if (typeof place !== 'string') return (await endDefined(project, place)).data
  return withProjectLock(project, () => removeThere(project, registry, place, name, false))
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

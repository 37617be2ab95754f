import { type InstanceName, nextVersion, RecordError, type UserName, type UserRecord } from '@mux/contract'
import type { RegistryChange, RegistryStore } from '@mux/edge'
import { CliError } from '../errors.ts'
import { rememberUser } from '../last-user.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import type { Told } from '../running-host.ts'
import { namedInstance } from './choose-instance.ts'
import { announceInstance, defineInstance, localInstance } from './define-instance.ts'

/** @throws {CliError} `user_not_found` */
export async function setPassword(registry: RegistryStore, user: UserName, password: string): Promise<void> {
  await changeUser(registry, user, (found) => ({ ...found, password }))
}

/** @returns whether it was otherwise before */
export async function setDisabled(
  registry: RegistryStore,
  user: UserName,
  disabled: boolean,
): Promise<boolean> {
  return changeUser(registry, user, (found) => (found.disabled === disabled ? found : { ...found, disabled }))
}

export interface MoveResult {
  user: UserName
  instance: InstanceName
  /** Where they were before; null: nowhere. */
  from: InstanceName | null
  changed: boolean
  instanceCreated: boolean
  supervisor: Told | null
}

/** @throws {CliError} `user_not_found`, `instance_not_found` */
export async function moveUser(
  project: Project,
  registry: RegistryStore,
  order: { user: UserName; instance: InstanceName; create: boolean },
): Promise<MoveResult> {
  const { user, instance } = order
  return withProjectLock(project, async () => {
    const before = await existing(registry, user)
    const choice = namedInstance(
      await readConfig(project),
      instance,
      order.create,
      `mux user move ${user} --instance ${instance}`,
    )
    const told = choice.defined ? await announceInstance(project, registry, instance) : null
    const defined = choice.defined ? undefined : await defineInstance(project, registry, instance, {})
    let changed: boolean
    try {
      await rememberUser(project, instance, user)
      changed = await enter(registry, user, instance)
    } catch (error) {
      await defined?.undo()
      throw error
    }
    return {
      user,
      instance,
      from: before.instance,
      changed,
      instanceCreated: defined !== undefined,
      supervisor: defined?.told ?? told,
    }
  })
}

/**
 * Takes a user out of the registry, with their tokens: a token that stayed would work again for the next one of this name.
 * @throws {CliError} `user_not_found`
 */
export async function removeUser(registry: RegistryStore, user: UserName): Promise<{ tokens: number }> {
  const tokens = (await registry.list('token')).filter(
    ({ record }) => !(record instanceof RecordError) && record.user === user,
  )
  await registry.change((read) => {
    if (!isThere(() => read('user', user))) throw notFound(user)
    const changes: RegistryChange[] = tokens.map(({ name }) => ({ kind: 'token', name, record: null }))
    return { changes: [{ kind: 'user', name: user, record: null }, ...changes], result: null }
  })
  return { tokens: tokens.length }
}

/** @throws {CliError} `user_not_found` */
export async function existing(registry: RegistryStore, user: UserName): Promise<UserRecord> {
  const found = await registry.read('user', user)
  if (found === undefined) throw notFound(user)
  return found
}

async function enter(registry: RegistryStore, user: UserName, instance: InstanceName): Promise<boolean> {
  return registry.change((read) => {
    const found = read('user', user)
    if (found === undefined) throw notFound(user)
    const known = read('instance', instance)
    const { host, origin } = known ?? localInstance()
    const target = { host, origin }
    const same =
      found.instance === instance &&
      found.target?.host === host &&
      found.target.origin === origin &&
      known !== undefined
    if (same) return { changes: [], result: false }
    return {
      changes: [
        ...(known === undefined
          ? [{ kind: 'instance', name: instance, record: localInstance() } as const]
          : []),
        { kind: 'user', name: user, record: changed({ ...found, instance, target }) },
      ],
      result: found.instance !== instance,
    }
  })
}

/** @returns whether `decide` gave another record */
async function changeUser(
  registry: RegistryStore,
  user: UserName,
  decide: (found: UserRecord) => UserRecord,
): Promise<boolean> {
  return registry.change((read) => {
    const found = read('user', user)
    if (found === undefined) throw notFound(user)
    const record = decide(found)
    return record === found
      ? { changes: [], result: false }
      : { changes: [{ kind: 'user', name: user, record: changed(record) }], result: true }
  })
}

/** A record that cannot be used is there all the same, and can be removed. */
function isThere(read: () => UserRecord | undefined): boolean {
  try {
    return read() !== undefined
  } catch (error) {
    if (error instanceof RecordError) return true
    throw error
  }
}

/** What was issued under the version before is no longer honoured. */
function changed(record: UserRecord): UserRecord {
  const now = Date.now()
  return { ...record, version: nextVersion(record.version, now), changed: new Date(now).toISOString() }
}

function notFound(user: UserName): CliError {
  return new CliError('user_not_found', `There is no user ${user}.`, 'See who there is: mux user list')
}

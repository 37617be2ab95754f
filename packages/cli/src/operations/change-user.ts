import {
  type InstanceName,
  type InstanceRecord,
  nextUserRecord,
  RecordError,
  type UserName,
  type UserRecord,
} from '@mux/contract'
import type { RegistryChange, RegistryStore } from '@mux/edge'
import { rememberUser } from '../last-user.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import type { Told } from '../running-host.ts'
import { namedInstance } from './choose-instance.ts'
import { announceInstance, localInstance } from './define-instance.ts'
import { defineSomewhere } from './instance-there.ts'
import { existing, userNotFound } from './existing-user.ts'
import { removalOfTokens } from './tokens.ts'

/**
 * Gives a user another password, and takes their tokens away: whoever had the one may have had the others.
 * @param password PHC string; null takes it away
 * @param keepTokens leaves the tokens as they are
 * @returns how many tokens were revoked
 * @throws {CliError} `user_not_found`
 */
export async function setPassword(
  registry: RegistryStore,
  user: UserName,
  { password, keepTokens }: { password: string | null; keepTokens: boolean },
): Promise<number> {
  const revoked = keepTokens ? [] : await removalOfTokens(registry, user)
  await changeUser(registry, user, (found) => ({ ...found, password }), revoked)
  return revoked.length
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
    const retry = `mux user move ${user} --instance ${instance}`
    const choice = await namedInstance(project, registry, { instance, create: order.create, retry })
    const told = choice.defined ? await announceInstance(project, registry, instance) : null
    const defined = choice.defined ? undefined : await defineSomewhere(project, registry, instance)
    let changed: boolean
    try {
      await rememberUser(project, instance, user)
      changed = await enter(registry, user, instance, localInstance(await readConfig(project)))
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
  const tokens = await removalOfTokens(registry, user)
  await registry.change((read) => {
    if (!isThere(() => read('user', user))) throw userNotFound(user)
    return { changes: [{ kind: 'user', name: user, record: null }, ...tokens], result: null }
  })
  // Of a user who is not there nobody makes a token any more, so these are the last.
  const late = await removalOfTokens(registry, user)
  if (late.length > 0) await registry.change(() => ({ changes: late, result: null }))
  return { tokens: tokens.length + late.length }
}

async function enter(
  registry: RegistryStore,
  user: UserName,
  instance: InstanceName,
  local: InstanceRecord,
): Promise<boolean> {
  return registry.change((read) => {
    const found = read('user', user)
    if (found === undefined) throw userNotFound(user)
    const known = read('instance', instance)
    const { host, origin } = known ?? local
    const target = { host, origin }
    const same =
      found.instance === instance &&
      found.target?.host === host &&
      found.target.origin === origin &&
      known !== undefined
    if (same) return { changes: [], result: false }
    return {
      changes: [
        ...(known === undefined ? [{ kind: 'instance', name: instance, record: local } as const] : []),
        {
          kind: 'user',
          name: user,
          record: nextUserRecord({ ...found, instance, target }, 'kept', Date.now()),
        },
      ],
      result: found.instance !== instance,
    }
  })
}

/**
 * Changes what a user signs in by, or whether they may, which ends their sessions.
 * @param besides what else changes when the record does
 * @returns whether `decide` gave another record
 */
async function changeUser(
  registry: RegistryStore,
  user: UserName,
  decide: (found: UserRecord) => UserRecord,
  besides: RegistryChange[] = [],
): Promise<boolean> {
  return registry.change((read) => {
    const found = read('user', user)
    if (found === undefined) throw userNotFound(user)
    const record = decide(found)
    return record === found
      ? { changes: [], result: false }
      : {
          changes: [
            { kind: 'user', name: user, record: nextUserRecord(record, 'ended', Date.now()) },
            ...besides,
          ],
          result: true,
        }
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

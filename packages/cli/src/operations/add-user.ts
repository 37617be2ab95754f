import {
  type InstanceName,
  type InstanceRecord,
  nextVersion,
  type Target,
  type UserName,
  type UserRecord,
} from '@mux/contract'
import { type RegistryStore, verifyPassword } from '@mux/edge/registry'
import { CliError } from '../errors.ts'
import { rememberUser } from '../last-user.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import type { Told } from '../running-host.ts'
import { type Choice, freeInstance, namedInstance } from './choose-instance.ts'
import { announceInstance, isDefined, localInstance } from './define-instance.ts'
import { placeOf } from './find-place.ts'
import { defineSomewhere } from './instance-there.ts'
import type { GivenPassword, NewPassword } from './new-password.ts'

export interface AddUserOrder {
  user: UserName
  /** Undefined: a free one of the pool, or the next one. */
  instance: InstanceName | undefined
  /** Define the instance if there is none of that name. */
  create: boolean
  /** Called once it is clear that a password is needed. */
  newPassword: () => Promise<NewPassword>
  /** What was given whether or not it is needed, to be compared with the password of a user who exists. */
  givenPassword: GivenPassword
}

export interface AddUserResult {
  user: UserName
  instance: InstanceName
  /** False: all of it was so before. */
  changed: boolean
  instanceCreated: boolean
  /** Only one that was generated; it is shown this once. */
  password?: string
  /** Whether the supervisor knows of an instance that is new to it; null when there is none to tell of. */
  supervisor: Told | null
}

/**
 * Instance, user, entry and password, in this order, or none of them.
 * @throws {CliError} `user_exists`, `instance_not_found`, `config_invalid` …
 */
export async function addUser(
  project: Project,
  registry: RegistryStore,
  order: AddUserOrder,
): Promise<AddUserResult> {
  const { user } = order
  const found = await registry.read('user', user)
  if (found !== undefined) return unchanged(project, registry, order, found)
  // Before the password is asked for: whoever has typed it twice should not be told then that the instance is wrong.
  if (order.instance !== undefined)
    await namedInstance(project, registry, { ...order, instance: order.instance, retry: addCommand(order) })
  const { hash, generated } = await order.newPassword()

  return withProjectLock(project, async () => {
    const choice = await choose(project, registry, order)
    const told = choice.defined ? await announceInstance(project, registry, choice.instance) : null
    const defined = choice.defined ? undefined : await defineSomewhere(project, registry, choice.instance)
    try {
      await rememberUser(project, choice.instance, user)
      await enter(registry, user, choice.instance, hash, localInstance(await readConfig(project)))
    } catch (error) {
      await defined?.undo()
      throw error
    }
    return {
      user,
      instance: choice.instance,
      changed: true,
      instanceCreated: defined !== undefined,
      supervisor: defined?.told ?? told,
      ...(generated === undefined ? {} : { password: generated }),
    }
  })
}

async function choose(project: Project, registry: RegistryStore, order: AddUserOrder): Promise<Choice> {
  const { instance } = order
  return instance === undefined
    ? freeInstance(project, await readConfig(project), registry, order.user)
    : namedInstance(project, registry, { ...order, instance, retry: addCommand(order) })
}

function addCommand({ user, instance }: AddUserOrder): string {
  return `mux user add ${user} --instance ${instance}`
}

async function enter(
  registry: RegistryStore,
  user: UserName,
  instance: InstanceName,
  password: string | null,
  local: InstanceRecord,
): Promise<void> {
  await registry.change((read) => {
    if (read('user', user) !== undefined) throw addedMeanwhile(user)
    const known = read('instance', instance)
    return {
      changes: [
        ...(known === undefined ? [{ kind: 'instance', name: instance, record: local } as const] : []),
        { kind: 'user', name: user, record: newUser(instance, known ?? local, password) },
      ],
      result: null,
    }
  })
}

/** The record of somebody whom the registry does not have, led to an instance where that is. */
export function newUser(
  instance: InstanceName,
  { host, origin }: Target,
  password: string | null,
): UserRecord {
  const now = Date.now()
  return {
    v: 1,
    instance,
    target: { host, origin },
    password,
    disabled: false,
    version: nextVersion(undefined, now),
    changed: new Date(now).toISOString(),
  }
}

/** A user who is already as ordered; anything else is for other commands to change. */
async function unchanged(
  project: Project,
  registry: RegistryStore,
  order: AddUserOrder,
  found: UserRecord,
): Promise<AddUserResult> {
  const { user } = order
  if (found.instance === null)
    throw exists(
      user,
      'has no instance',
      `Give them one: mux user move ${user} --instance ${order.instance ?? 'NAME'}`,
    )
  if (order.instance !== undefined && found.instance !== order.instance)
    throw exists(
      user,
      `is on ${found.instance}`,
      `Move them: mux user move ${user} --instance ${order.instance}`,
    )
  if (found.disabled) throw exists(user, 'is disabled', `Let them in again: mux user enable ${user}`)
  if (order.givenPassword === null && found.password !== null)
    throw exists(user, 'has a password', `Take it away: mux user password ${user} --no-password`)
  if (typeof order.givenPassword === 'string' && !(await verifyPassword(order.givenPassword, found.password)))
    throw exists(user, 'has another password', `Change it: mux user password ${user}`)
  const isElsewhere = (await placeOf(project, registry, found.instance)) !== null
  if (!isElsewhere && !isDefined(await readConfig(project), found.instance))
    throw exists(
      user,
      `is on ${found.instance}, which mux.yaml no longer has`,
      `Define it again: mux instance add ${found.instance}`,
    )
  return { user, instance: found.instance, changed: false, instanceCreated: false, supervisor: null }
}

export function addedMeanwhile(user: UserName): CliError {
  return exists(user, 'was added by somebody else just now')
}

function exists(user: UserName, reason: string, hint = `See: mux user show ${user}`): CliError {
  return new CliError('user_exists', `The user ${user} exists and ${reason}. Nothing was changed.`, hint)
}

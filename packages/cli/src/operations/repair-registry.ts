import {
  type InstanceName,
  type InstanceRecord,
  nextUserRecord,
  RecordError,
  type Target,
} from '@mux/contract'
import type { RegistryChange, RegistryStore } from '@mux/edge'

/**
 * Has the registry say of each of these instances that it is at `target`; whether it is open stays as it was.
 * @returns those of which it said something else, or nothing
 */
export async function recordInstances(
  registry: RegistryStore,
  instances: readonly InstanceName[],
  target: Target,
): Promise<InstanceName[]> {
  return registry.change((read) => {
    const changes: RegistryChange[] = []
    for (const name of instances) {
      const found = read('instance', name)
      if (found && isAt(found, target)) continue
      const record: InstanceRecord = { v: 1, state: 'open', message: null, ...found, ...target }
      changes.push({ kind: 'instance', name, record })
    }
    return { changes, result: changes.map(({ name }) => name as InstanceName) }
  })
}

/**
 * Sends the users of these instances to `target`. A command that was killed between two writes, or a change by hand, may
 * have left some who are sent to where their instance is not.
 * @param now milliseconds since the epoch
 * @returns the users who were, and the records that cannot be used, which are left as they are
 */
export async function redirectUsers(
  registry: RegistryStore,
  instances: readonly InstanceName[],
  target: Target,
  now: number,
): Promise<{ users: string[]; unusable: RecordError[] }> {
  const here = new Set<string | null>(instances)
  const unusable: RecordError[] = []
  const astray: string[] = []
  for (const { name, record } of await registry.list('user')) {
    if (record instanceof RecordError) unusable.push(record)
    else if (here.has(record.instance) && !(record.target && isAt(record.target, target))) astray.push(name)
  }
  const users = await registry.change((read) => {
    const changes: RegistryChange[] = []
    for (const name of astray) {
      const found = read('user', name)
      // They may have been removed or moved since the list was made.
      if (!found || !here.has(found.instance)) continue
      const record = nextUserRecord({ ...found, target }, 'kept', now)
      changes.push({ kind: 'user', name, record })
    }
    return { changes, result: changes.map(({ name }) => name) }
  })
  return { users, unusable }
}

function isAt(found: Target, target: Target): boolean {
  return found.host === target.host && found.origin === target.origin
}

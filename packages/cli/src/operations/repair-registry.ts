import { type InstanceName, type InstanceRecord, nextVersion, RecordError, type Target } from '@mux/contract'
import type { RegistryChange, RegistryStore } from '@mux/edge'

export interface RepairReport {
  /** Instances that were not recorded, or recorded as being elsewhere. */
  instances: InstanceName[]
  /** Users whose record sent them to where their instance is not. */
  users: string[]
  /** Records that cannot be used, and that are left as they are. */
  unusable: RecordError[]
}

/**
 * Brings the registry in step with the instances that this host runs: each has a record that says where it is, and so
 * does every user of one. What an interrupted command or a hand-made change left behind is put right at the next start.
 * @param target where these instances are reached
 * @param now milliseconds since the epoch
 */
export async function repairRegistry(
  registry: RegistryStore,
  instances: readonly InstanceName[],
  target: Target,
  now: number,
): Promise<RepairReport> {
  const here = new Set<string>(instances)
  const listed = await registry.list('user')
  const unusable = listed.map(({ record }) => record).filter((record) => record instanceof RecordError)
  const users = listed.filter(
    ({ record }) => !(record instanceof RecordError) && record.instance !== null && here.has(record.instance),
  )
  return registry.change((read) => {
    const changes: RegistryChange[] = []
    const report: RepairReport = { instances: [], users: [], unusable }
    for (const name of instances) {
      const found = read('instance', name)
      if (found && isAt(found, target)) continue
      const record: InstanceRecord = { v: 1, state: 'open', message: null, ...found, ...target }
      changes.push({ kind: 'instance', name, record })
      report.instances.push(name)
    }
    for (const { name } of users) {
      const found = read('user', name)
      // It may have been removed or moved since the list was made.
      if (!found?.instance || !here.has(found.instance)) continue
      if (found.target && isAt(found.target, target)) continue
      const version = nextVersion(found.version, now)
      const record = { ...found, target, version, changed: new Date(now).toISOString() }
      changes.push({ kind: 'user', name, record })
      report.users.push(name)
    }
    return { changes, result: report }
  })
}

function isAt(found: Target, target: Target): boolean {
  return found.host === target.host && found.origin === target.origin
}

import { type InstanceRecord, LOCAL_ORIGIN, type RecordError, type UserRecord } from '@mux/contract'
import { parseStoredPassword, type RegistryChange } from '@mux/edge/registry'
import { CliError } from '../errors.ts'
import { type CheckChanges, recordOrError } from '../noted-changes.ts'

/** The instances that there will be. */
type Instances = ReadonlyMap<string, InstanceRecord | RecordError>

/** How many records are named. */
const NAMED = 20

/**
 * Refuses records that would do nothing for a Worker but fail: each is named, with what to do about it.
 * @throws {CliError} `record_unfit`
 */
export function checkForWorker(changes: readonly RegistryChange[], instances: Instances): void {
  refuseUnfit(changes, instances, 'Nothing was changed. Put them right, then again: mux registry push')
}

/**
 * The same for changes that are about to be made here and in KV. What takes access away is never refused.
 * @throws {CliError} `record_unfit`
 */
export const checkChangeForWorker: CheckChanges = (changes, read) => {
  const giving = changes.filter(({ kind, record }) => !(kind === 'user' && record?.disabled === true))
  const instances = new Map<string, InstanceRecord | RecordError>()
  for (const { kind, record } of giving) {
    if (record === null || !(kind === 'user' || kind === 'route') || record.instance === null) continue
    const found = recordOrError(() => read('instance', record.instance!))
    if (found !== undefined) instances.set(record.instance, found)
  }
  for (const { kind, name, record } of changes) {
    if (kind !== 'instance') continue
    if (record === null) instances.delete(name)
    else instances.set(name, record)
  }
  refuseUnfit(giving, instances, 'Nothing was changed.')
}

function refuseUnfit(changes: readonly RegistryChange[], instances: Instances, hint: string): void {
  const problems = changes.flatMap((change) => problemsOf(change, instances))
  if (problems.length === 0) return
  const records = problems.length === 1 ? 'A record' : `${problems.length} records`
  const more = problems.length > NAMED ? [`and ${problems.length - NAMED} more`] : []
  throw new CliError('record_unfit', `${records} would not work from Cloudflare.`, {
    hint,
    details: [...problems.slice(0, NAMED), ...more],
  })
}

function problemsOf(change: RegistryChange, instances: Instances): string[] {
  const { kind, name, record } = change
  if (record === null || kind === 'token' || kind === 'host') return []
  if (kind === 'instance')
    return isLocal(record)
      ? [`instance ${name}: it has no URL; mux host join and mux up give this machine one`]
      : []
  const leads = record.instance === null || instances.has(record.instance)
  return [
    ...(leads ? [] : [`${kind} ${name}: there is no instance ${record.instance}`]),
    ...(kind === 'user' ? userProblems(name, record, instances) : []),
  ]
}

function userProblems(
  name: string,
  { instance, target, password }: UserRecord,
  instances: Instances,
): string[] {
  // Of an instance without a URL, it is enough to hear once.
  const isAstray = isLocal(target) && !isLocal(instances.get(instance ?? ''))
  return [
    ...(isAstray
      ? [`user ${name}: is sent to where ${instance} is not; mux up on that host sets it right`]
      : []),
    // A Worker computes no scrypt of more than N·r·p = 2^20, and mux no hash that it does not know.
    ...(password !== null && parseStoredPassword(password) === undefined
      ? [`user ${name}: no Worker can verify the hash of their password; mux user password ${name}`]
      : []),
  ]
}

function isLocal(place: object | null | undefined): boolean {
  return place !== null && place !== undefined && 'origin' in place && place.origin === LOCAL_ORIGIN
}

import { LOCAL_ORIGIN, type UserRecord } from '@mux/contract'
import { parseStoredPassword, type RegistryChange } from '@mux/edge/registry'
import { CliError } from '../errors.ts'

/** How many records are named. */
const NAMED = 20

/**
 * Refuses records that would do nothing for a Worker but fail: each is named, with what to do about it.
 * @param instances those that there will be
 * @throws {CliError} `record_unfit`
 */
export function checkForWorker(
  changes: readonly RegistryChange[],
  instances: { has(name: string): boolean },
): void {
  const problems = changes.flatMap((change) => problemsOf(change, instances))
  if (problems.length === 0) return
  const records = problems.length === 1 ? 'A record' : `${problems.length} records`
  const more = problems.length > NAMED ? [`and ${problems.length - NAMED} more`] : []
  throw new CliError('record_unfit', `${records} would not work from Cloudflare.`, {
    hint: 'Nothing was changed. Put them right, then again: mux registry push',
    details: [...problems.slice(0, NAMED), ...more],
  })
}

function problemsOf(change: RegistryChange, instances: { has(name: string): boolean }): string[] {
  const { kind, name, record } = change
  if (record === null || kind === 'token') return []
  if (kind === 'instance') return record.origin === LOCAL_ORIGIN ? [localInstance(name)] : []
  const leads = record.instance === null || instances.has(record.instance)
  return [
    ...(leads ? [] : [`${kind} ${name}: there is no instance ${record.instance}`]),
    ...(kind === 'user' ? userProblems(name, record) : []),
  ]
}

function userProblems(name: string, { target, password }: UserRecord): string[] {
  return [
    ...(target?.origin === LOCAL_ORIGIN
      ? [`user ${name}: is sent to this machine by no URL; mux up --host sets that right`]
      : []),
    // A Worker computes no scrypt of more than N·r·p = 2^20, and mux no hash that it does not know.
    ...(password !== null && parseStoredPassword(password) === undefined
      ? [`user ${name}: no Worker can verify the hash of their password; mux user password ${name}`]
      : []),
  ]
}

function localInstance(name: string): string {
  return `instance ${name}: runs on this machine, and has no URL; give it one with mux up --host`
}

import { nextUserRecord, type UserName } from '@mux/contract'
import type { RegistryStore } from './registry/registry.ts'

/**
 * Ends all sessions of a user: none is good in another epoch of the record than it was issued in.
 * @param now milliseconds since the epoch
 * @returns false when there is no such user
 */
export async function signOutEverywhere(
  registry: Pick<RegistryStore, 'change'>,
  user: UserName,
  now: number,
): Promise<boolean> {
  return registry.change((read) => {
    const found = read('user', user)
    if (found === undefined) return { changes: [], result: false }
    const record = nextUserRecord(found, 'ended', now)
    return { changes: [{ kind: 'user', name: user, record }], result: true }
  })
}

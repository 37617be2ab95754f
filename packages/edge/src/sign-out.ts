import { nextVersion, type UserName } from '@mux/contract'
import type { RegistryStore } from './registry/registry.ts'

/**
 * Ends all sessions of a user: none is good for another version of the record than it was issued under.
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
    const version = nextVersion(found.version, now)
    const record = { ...found, version, changed: new Date(now).toISOString() }
    return { changes: [{ kind: 'user', name: user, record }], result: true }
  })
}

import { BoundedMap } from '../bounded-map.ts'
import type { EndedSessions } from '../ended-sessions.ts'
import type { Session } from '../session.ts'
import { CACHE_TTL, fetchText, PATIENCE, type KvNamespace } from './kv.ts'
import { RegistryError } from './registry.ts'
import { SharedReads } from './shared-reads.ts'

/** What is used of a Workers KV binding besides reading. */
export interface WritableKvNamespace extends KvNamespace {
  put(key: string, value: string, options: { expirationTtl: number }): Promise<void>
}

export interface KvEndedSessionsOptions {
  endOf: (session: Session) => number
  /** See {@link SharedReads}. */
  keepAlive: (reading: Promise<unknown>) => void
  /** Milliseconds since the epoch. */
  now: () => number
}

/** The shortest life that KV gives a value, in seconds. */
const MIN_TTL = 60
/** Sessions whose state is remembered by one isolate. */
const CAPACITY = 10_000

/**
 * Ended sessions in Workers KV, under `ended:` and their id. Other locations learn of one within a minute or so, as of
 * every change there. One is asked about once in {@link CACHE_TTL}: KV itself would give the same answer for as long.
 */
export function kvEndedSessions(
  namespace: WritableKvNamespace,
  { endOf, keepAlive, now }: KvEndedSessionsOptions,
): EndedSessions {
  const reads = new SharedReads<string | null>({ patience: PATIENCE, keepAlive })
  const known = new BoundedMap<string, { ended: boolean; until: number }>(CAPACITY)

  function remember(id: string, ended: boolean): boolean {
    known.set(id, { ended, until: now() + CACHE_TTL * 1000 })
    return ended
  }

  return {
    async has({ id }) {
      const found = known.get(id)
      if (found !== undefined && (found.ended || now() < found.until)) return found.ended
      const key = `ended:${id}`
      return remember(id, (await reads.read(key, () => fetchText(namespace, key))) !== null)
    },

    async end(session) {
      remember(session.id, true)
      const left = Math.ceil(endOf(session) - now() / 1000)
      try {
        await namespace.put(`ended:${session.id}`, '1', { expirationTtl: Math.max(MIN_TTL, left) })
      } catch (cause) {
        throw new RegistryError('registry_unavailable', 'Workers KV cannot be written.', { cause })
      }
    },
  }
}

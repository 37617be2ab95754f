import { BoundedMap } from './bounded-map.ts'
import { clientNetwork } from './client-network.ts'

/**
 * Counts failed sign-ins, to slow down those who guess. `user` is the canonical name, of a user that exists or not;
 * `address` is the client's.
 */
export interface FailureCounter {
  /** Seconds until another attempt is let in; undefined when it may be made now. */
  check(user: string, address: string): number | undefined
  failed(user: string, address: string): void | Promise<void>
  succeeded(user: string, address: string): void
}

/** Failures are counted over this time from the first, in milliseconds. */
export const FAILURE_WINDOW = 60_000
/** Entries of each kind. One network has to wait long before its failures could push out the counts of others. */
const CAPACITY = 20_000

/** What failures are counted for: a user from a network, a network, a user from anywhere. */
export const FAILURE_KINDS = ['pair', 'network', 'user'] as const
export type FailureKind = (typeof FAILURE_KINDS)[number]

/** Failures after which somebody has to wait. */
export const FAILURE_LIMITS: Readonly<Record<FailureKind, number>> = {
  pair: 10,
  /** More people may share an address than mistype at once. */
  network: 100,
  /**
   * Every network that has failed for this user has to wait then. Those that have not are let in, so that nobody can lock
   * a user out by guessing from many places.
   */
  user: 50,
}

/** How many of a kind there have been, and when that is forgotten, in milliseconds since the epoch. */
export interface FailureCount {
  failures: number
  until: number
}

/** Where counts are kept beyond the end of the process. */
export interface FailureStore {
  /** Those that count at `now`, in milliseconds since the epoch. */
  load(now: number): Iterable<[kind: FailureKind, key: string, count: FailureCount]>
  save(kind: FailureKind, key: string, count: FailureCount): void
  forget(kind: FailureKind, key: string): void
}

export interface FailureCounterOptions {
  /** Without it, a process begins anew. */
  store?: FailureStore
  /** Milliseconds since the epoch. */
  now: () => number
}

export interface LocalFailureCounter extends FailureCounter {
  failed(user: string, address: string): void
  /** Takes the word of somebody who has counted more: what is left of a kind is used up from now on for as long as that. */
  exhaust(kind: FailureKind, user: string, address: string): void
}

/** Counts in this process. */
export function createFailureCounter({ store, now }: FailureCounterOptions): LocalFailureCounter {
  const counts: Record<FailureKind, BoundedMap<string, FailureCount>> = {
    pair: new BoundedMap(CAPACITY),
    network: new BoundedMap(CAPACITY),
    user: new BoundedMap(CAPACITY),
  }
  for (const [kind, key, count] of store?.load(now()) ?? []) counts[kind].set(key, count)

  function current(kind: FailureKind, key: string): FailureCount {
    const count = counts[kind].get(key)
    const latest = now() + FAILURE_WINDOW
    // One that lasts longer was begun under a clock that has been put back since: nobody is to wait for that.
    const isCurrent = count !== undefined && now() < count.until && count.until <= latest
    return isCurrent ? count : { failures: 0, until: latest }
  }

  function set(kind: FailureKind, key: string, count: FailureCount): void {
    counts[kind].set(key, count)
    store?.save(kind, key, count)
  }

  return {
    check(user, address) {
      if (counts.network.size === 0) return undefined
      const keys = failureKeys(user, address)
      const pair = current('pair', keys.pair)
      const network = current('network', keys.network)
      const everywhere = current('user', keys.user)
      const until = Math.max(
        pair.failures >= FAILURE_LIMITS.pair ? pair.until : 0,
        network.failures >= FAILURE_LIMITS.network ? network.until : 0,
        pair.failures > 0 && everywhere.failures >= FAILURE_LIMITS.user ? everywhere.until : 0,
      )
      return until === 0 ? undefined : Math.ceil((until - now()) / 1000)
    },

    failed(user, address) {
      const keys = failureKeys(user, address)
      for (const kind of FAILURE_KINDS) {
        const { failures, until } = current(kind, keys[kind])
        set(kind, keys[kind], { failures: failures + 1, until })
      }
    },

    succeeded(user, address) {
      if (counts.pair.size === 0) return
      const { pair } = failureKeys(user, address)
      if (counts.pair.get(pair) === undefined) return
      counts.pair.delete(pair)
      store?.forget('pair', pair)
    },

    exhaust(kind, user, address) {
      set(kind, failureKeys(user, address)[kind], {
        failures: FAILURE_LIMITS[kind],
        until: now() + FAILURE_WINDOW,
      })
    },
  }
}

/** Under what a failure is counted, by kind. */
export function failureKeys(user: string, address: string): Record<FailureKind, string> {
  const network = clientNetwork(address)
  return { pair: `${network} ${user}`, network, user }
}

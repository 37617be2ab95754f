import { BoundedMap } from './bounded-map.ts'
import { clientNetwork } from './client-network.ts'

/**
 * Counts failed sign-ins, to slow down those who guess. `user` is the canonical name, of a user that exists or not;
 * `address` is the client's.
 */
export interface FailureCounter {
  /** Seconds until another attempt is let in; undefined when it may be made now. */
  check(user: string, address: string): number | undefined
  failed(user: string, address: string): void
  succeeded(user: string, address: string): void
}

/** Failures are counted over this time from the first, in milliseconds. */
const WINDOW = 60_000
/** Failures for one user from one network, after which it has to wait. */
const PER_USER_AND_NETWORK = 10
/** Failures from one network, whoever for: more people may share an address than mistype at once. */
const PER_NETWORK = 100
/**
 * Failures for one user from anywhere, after which every network that has failed for them has to wait. Those that have
 * not are let in, so that nobody can lock a user out by guessing from many places.
 */
const PER_USER = 50
/** Entries of each kind. One network has to wait long before its failures could push out the counts of others. */
const CAPACITY = 20_000

interface Count {
  failures: number
  /** Milliseconds since the epoch. */
  until: number
}

/** A counter for one process; it begins anew when the process does. */
export function createFailureCounter({ now }: { now: () => number }): FailureCounter {
  const pairs = new BoundedMap<string, Count>(CAPACITY)
  const networks = new BoundedMap<string, Count>(CAPACITY)
  const users = new BoundedMap<string, Count>(CAPACITY)

  function current(counts: BoundedMap<string, Count>, key: string): Count {
    const count = counts.get(key)
    return count !== undefined && now() < count.until ? count : { failures: 0, until: now() + WINDOW }
  }

  function add(counts: BoundedMap<string, Count>, key: string): void {
    const { failures, until } = current(counts, key)
    counts.set(key, { failures: failures + 1, until })
  }

  return {
    check(user, address) {
      if (networks.size === 0) return undefined
      const network = clientNetwork(address)
      const pair = current(pairs, pairKey(user, network))
      const everybody = current(networks, network)
      const everywhere = current(users, user)
      const until = Math.max(
        pair.failures >= PER_USER_AND_NETWORK ? pair.until : 0,
        everybody.failures >= PER_NETWORK ? everybody.until : 0,
        pair.failures > 0 && everywhere.failures >= PER_USER ? everywhere.until : 0,
      )
      return until === 0 ? undefined : Math.ceil((until - now()) / 1000)
    },

    failed(user, address) {
      const network = clientNetwork(address)
      add(pairs, pairKey(user, network))
      add(networks, network)
      add(users, user)
    },

    succeeded(user, address) {
      if (pairs.size === 0) return
      pairs.delete(pairKey(user, clientNetwork(address)))
    },
  }
}

function pairKey(user: string, network: string): string {
  return `${network} ${user}`
}

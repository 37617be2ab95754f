import { hash, randomBytes } from 'node:crypto'
import { epochOf, type UserName, type UserRecord } from '@mux/contract'
import { BoundedMap } from './bounded-map.ts'
import type { Exchange } from './forward.ts'
import { verifyPassword } from './passwords.ts'
import type { Rehash } from './rehash.ts'
import type { CompareForeign } from './stored-password.ts'

/** Credentials remembered at once, per process. */
const CAPACITY = 10_000
/**
 * How long a right password is remembered, in milliseconds. Revocation does not wait for it, since the record's epoch
 * is part of what is remembered; it only bounds how long the trace of a password stays in memory.
 */
const LIFETIME = 60 * 60 * 1000

export interface PasswordMemory {
  /**
   * True when `record` is an enabled user's with this password. One hash per credential and epoch of the record; every
   * other answer that is not remembered takes the time of one hash too, so time tells nothing about the user.
   * @param user the name under which the record was looked up, found or not
   * @param client who waits for the answer; somebody who does not go away, if absent
   * @throws {Problem} `rate_limited` when too many passwords wait to be hashed, or when all who waited have gone
   */
  verify(
    user: string,
    password: string,
    record: UserRecord | undefined,
    client?: PasswordClient,
  ): Promise<boolean>
}

export type PasswordClient = Pick<Exchange, 'isGone'>

export interface PasswordMemoryOptions {
  rehash: Pick<Rehash, 'note'>
  /** In place, if absent. */
  compareForeign?: CompareForeign | undefined
  /**
   * Keeps what is begun when the request ends for which it was begun: on Workers it would end with it, and those who wait
   * for the same hash, or for a place in the queue, would wait for ever.
   */
  keepAlive?: ((work: Promise<unknown>) => void) | undefined
  /** Milliseconds since the epoch. */
  now: () => number
}

export function createPasswordMemory({
  rehash,
  compareForeign,
  keepAlive,
  now,
}: PasswordMemoryOptions): PasswordMemory {
  const right = new BoundedMap<string, number>(CAPACITY)
  const inProgress = new Map<string, { outcome: Promise<boolean>; clients: PasswordClient[] }>()
  let secret: string | undefined

  function keyOf(user: string, password: string, record: UserRecord | undefined): string {
    // Not made at once: Workers give out no random bytes before the first request.
    secret ??= randomBytes(32).toString('base64')
    const credential = [user, record && epochOf(record), record?.disabled, record?.password, password]
    // The secret in front keys the hash. What HMAC adds is against those who see a digest, which never leaves this map; it
    // cost three times as much, at every request.
    return hash('sha256', secret + JSON.stringify(credential), 'base64')
  }

  async function hashAndRemember(
    key: string,
    user: string,
    password: string,
    record: UserRecord | undefined,
    clients: readonly PasswordClient[],
  ): Promise<boolean> {
    const isWanted = () => clients.some(({ isGone }) => !isGone)
    const known = record === undefined || record.disabled ? undefined : record
    const verified = await verifyPassword(password, known?.password ?? null, isWanted, compareForeign)
    if (!verified || known === undefined) return false
    right.set(key, now() + LIFETIME)
    rehash.note(user as UserName, password, known)
    return true
  }

  return {
    async verify(user, password, record, client = {}) {
      const key = keyOf(user, password, record)
      const until = right.get(key)
      if (until !== undefined && now() < until) return true
      const running = inProgress.get(key)
      if (running !== undefined) {
        running.clients.push(client)
        return running.outcome
      }
      const clients = [client]
      const outcome = hashAndRemember(key, user, password, record, clients).finally(() =>
        inProgress.delete(key),
      )
      inProgress.set(key, { outcome, clients })
      keepAlive?.(outcome.catch(() => {}))
      return outcome
    },
  }
}

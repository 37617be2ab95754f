import type { UserName } from '@mux/contract'
import type { Pool } from 'undici'
import type { Address, Lease } from '../lease.ts'
import { openPool } from './connection.ts'

/**
 * The connections to one generation that are kept between requests, those of each user apart. What an instance says on a
 * connection is taken for the answer to whatever was asked on it last: an answer too many, which it gave to one user, would
 * else be the next one's as soon as they ask for something themselves. Those of nobody are nobody's.
 */
export class KeptConnections {
  readonly #open: () => Pool
  readonly #byUser = new Map<UserName | undefined, Pool>()
  #isOver = false

  /** @param isReached see `Lease` */
  constructor(address: Address, isReached?: Lease['isReached']) {
    this.#open = () => openPool(address, isReached)
  }

  /** To be used at once: one without a connection may be forgotten. */
  of(user: UserName | undefined): Pool {
    const known = this.#byUser.get(user)
    if (known !== undefined) return known
    const pool = this.#open()
    this.#byUser.set(user, pool)
    const look = () => setImmediate(() => this.#forgetIdle(user, pool))
    pool.on('disconnect', look).on('connectionError', look)
    if (this.#isOver) void pool.destroy()
    return pool
  }

  /** Ends all of them, with what is under way. */
  async destroy(): Promise<void> {
    this.#isOver = true
    await Promise.all([...this.#byUser.values()].map((pool) => pool.destroy()))
  }

  #forgetIdle(user: UserName | undefined, pool: Pool): void {
    const { connected, size } = pool.stats
    if (connected === 0 && size === 0 && this.#byUser.get(user) === pool) this.#byUser.delete(user)
  }
}

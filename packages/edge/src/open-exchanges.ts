import type { UserName } from '@mux/contract'
import type { Standing } from './authenticate.ts'

/** An exchange with an instance, from the decision on. */
export interface OpenExchange {
  /** Whose it is; undefined when it is nobody's. */
  readonly user: UserName | undefined
  /** How it stands with whoever it is in the name of; absent when it is in nobody's. */
  readonly standing: (() => Promise<Standing>) | undefined
  /** A WebSocket or a stream of events, which stay open for as long as both sides like. */
  readonly endless: boolean
  /** Ends it in the middle; harmless when it is over. */
  breakOff(): void
  /** Where it stands in the list; for {@link OpenExchanges} alone. */
  place: number
}

/**
 * The exchanges that are not over. An array in which the last takes the place of one that leaves: every request comes
 * by here, and a Set that is added to and deleted from all the time costs far more.
 */
export class OpenExchanges {
  readonly #list: OpenExchange[] = []
  readonly #byUser = new Map<UserName, number>()

  get all(): readonly OpenExchange[] {
    return this.#list
  }

  /** How many a user has. */
  of(user: UserName | undefined): number {
    return user === undefined ? 0 : (this.#byUser.get(user) ?? 0)
  }

  enter(exchange: OpenExchange): void {
    const { user } = exchange
    if (user !== undefined) this.#byUser.set(user, this.of(user) + 1)
    exchange.place = this.#list.length
    this.#list.push(exchange)
  }

  leave(exchange: OpenExchange): void {
    const { user } = exchange
    if (user !== undefined) {
      const left = this.of(user) - 1
      if (left > 0) this.#byUser.set(user, left)
      else this.#byUser.delete(user)
    }
    const last = this.#list.pop()!
    if (last === exchange) return
    this.#list[exchange.place] = last
    last.place = exchange.place
  }
}

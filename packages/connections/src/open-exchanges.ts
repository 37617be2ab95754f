/** An exchange that can be kept in a list of its kind. */
export interface Placed {
  /** Whose it is; undefined when it is nobody's. */
  readonly user: string | undefined
  /** Where it stands in the list; for {@link OpenExchanges} alone. */
  place: number
}

/**
 * The exchanges that are not over. An array in which the last takes the place of one that leaves: every request comes
 * by here, and a Set that is added to and deleted from all the time costs far more.
 */
export class OpenExchanges<Exchange extends Placed> {
  readonly #list: Exchange[] = []
  readonly #byUser = new Map<string, number>()

  get all(): readonly Exchange[] {
    return this.#list
  }

  /** How many a user has. */
  of(user: Exchange['user']): number {
    return user === undefined ? 0 : (this.#byUser.get(user) ?? 0)
  }

  enter(exchange: Exchange): void {
    const { user } = exchange
    if (user !== undefined) this.#byUser.set(user, this.of(user) + 1)
    exchange.place = this.#list.length
    this.#list.push(exchange)
  }

  leave(exchange: Exchange): void {
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

import { Problem, type UserName } from '@mux/contract'

/** How many requests each user has under way, and no more than so many. */
export class UnderWay {
  readonly #most: number
  readonly #byUser = new Map<UserName, number>()

  constructor(most: number) {
    this.#most = most
  }

  /**
   * Counts a request of a user until {@link leave}; those that are nobody's are not counted.
   * @throws {Problem} `too_many_requests`
   */
  enter(user: UserName | undefined): void {
    if (user === undefined) return
    const open = this.#byUser.get(user) ?? 0
    if (open >= this.#most) throw new Problem('too_many_requests', { retryAfter: 1 })
    this.#byUser.set(user, open + 1)
  }

  leave(user: UserName | undefined): void {
    if (user === undefined) return
    const left = this.#byUser.get(user)! - 1
    if (left > 0) this.#byUser.set(user, left)
    else this.#byUser.delete(user)
  }
}

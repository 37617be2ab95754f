/** How many nonces are remembered: some 2,900 new ones a second for as long as an assertion can be fresh. */
const CAPACITY = 262_144

/** Remembers what was used once, for as long as it could be used again. Only what is validly signed gets in. */
export class NonceMemory {
  readonly #forgetAt = new Map<string, number>()
  readonly #capacity: number

  constructor(capacity = CAPACITY) {
    this.#capacity = capacity
  }

  /**
   * @param until when the nonce may be forgotten, on the same clock as `now`
   * @returns `full` when there is no room: to accept it then would be to accept it again
   */
  use(nonce: string, until: number, now: number): 'first' | 'again' | 'full' {
    if (this.#forgetAt.has(nonce)) return 'again'
    // In order of use, which is nearly the order of expiry: what is left behind for a moment does no harm.
    for (const [old, end] of this.#forgetAt) {
      if (end > now) break
      this.#forgetAt.delete(old)
    }
    if (this.#forgetAt.size >= this.#capacity) return 'full'
    this.#forgetAt.set(nonce, until)
    return 'first'
  }
}

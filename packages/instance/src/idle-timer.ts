/**
 * Fires once something has been idle for a while. It is not told of activity, which would cost on every request; it
 * looks when the time could be over, and waits for the rest.
 */
export class IdleTimer {
  readonly #limit: number
  readonly #idleSince: () => number | null
  readonly #expired: () => void
  #timer: NodeJS.Timeout

  /**
   * @param limit milliseconds
   * @param idleSince the moment on the monotonic clock, or null while there is activity
   */
  constructor(limit: number, idleSince: () => number | null, expired: () => void) {
    this.#limit = limit
    this.#idleSince = idleSince
    this.#expired = expired
    this.#timer = setTimeout(() => this.#look(), limit)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #look(): void {
    const since = this.#idleSince()
    const left = since === null ? this.#limit : since + this.#limit - performance.now()
    // A timer may fire a fraction of a millisecond early; that is not worth another turn.
    if (left < 1) this.#expired()
    else this.#timer = setTimeout(() => this.#look(), left)
  }
}

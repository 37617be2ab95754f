import { afterFailure, type Failures, NO_FAILURES, verdict } from './back-off.ts'

/** Keeps count of an instance's failures, and starts it again when its time has come. */
export class Recovery {
  readonly #again: () => void
  #failures: Failures = NO_FAILURES
  #refusing = false
  #planned: { timer: NodeJS.Timeout; at: number } | undefined

  /** @param again called when the next try is due */
  constructor(again: () => void) {
    this.#again = again
  }

  /** True from giving up until it serves again or is started by order: requests are refused at once. */
  get refusing(): boolean {
    return this.#refusing
  }

  /** When the next try is due, on the monotonic clock; null when none is planned. */
  get nextTry(): number | null {
    return this.#planned?.at ?? null
  }

  /**
   * Counts a failure and plans the next try.
   * @param readyFor milliseconds for which it had been ready; null when it never was
   * @param passing false: trying again is pointless until somebody has changed something, so nothing is planned
   * @returns whether requests are held until then
   */
  failed(readyFor: number | null, passing: boolean): boolean {
    this.#cancel()
    this.#failures = afterFailure(this.#failures, readyFor)
    const { delay, hold } = verdict(this.#failures, Math.random())
    this.#refusing ||= !hold || !passing
    if (passing) this.#plan(delay)
    return !this.#refusing
  }

  /** Plans nothing more, and refuses nothing: it serves, or the next request tries. */
  settle(): void {
    this.#cancel()
    this.#refusing = false
  }

  /** Forgets all failures: somebody has seen to it. */
  reset(): void {
    this.settle()
    this.#failures = NO_FAILURES
  }

  #plan(delay: number): void {
    const timer = setTimeout(() => {
      this.#planned = undefined
      this.#again()
    }, delay)
    this.#planned = { timer, at: performance.now() + delay }
  }

  #cancel(): void {
    clearTimeout(this.#planned?.timer)
    this.#planned = undefined
  }
}

import { Problem } from '@mux/contract'
import { afterFailure, type Failures, NO_FAILURES, verdict } from './back-off.ts'

/** Seconds after which a client may ask again when no next try is planned. */
const LATER = 60

/** Keeps count of an instance's failures, and has it booted again when its time has come. */
export class Recovery {
  readonly #again: () => void
  #failures: Failures = NO_FAILURES
  #refusing = false
  #planned: { timer: NodeJS.Timeout; at: number } | undefined

  /** @param again called when the next try is due */
  constructor(again: () => void) {
    this.#again = again
  }

  /** When the next try is due, on the monotonic clock; null when none is planned. */
  get nextTry(): number | null {
    return this.#planned?.at ?? null
  }

  /** True while earlier failures count. */
  get hasFailures(): boolean {
    return this.#failures.count > 0
  }

  /** What requests are told at once, from giving up until it serves again or is started by order. */
  get refusal(): Problem | undefined {
    if (!this.#refusing) return undefined
    const seconds = this.#planned ? (this.#planned.at - performance.now()) / 1_000 : LATER
    return new Problem('instance_failed', { retryAfter: Math.max(1, seconds) })
  }

  /**
   * Counts a failure and plans the next try.
   * @param readyFor milliseconds for which it had been ready; null when it never was
   * @param passing false: trying again is pointless until somebody has changed something, so nothing is planned
   * @returns what to tell those who wait; undefined when they are to be held until then
   */
  failed(readyFor: number | null, passing: boolean): Problem | undefined {
    this.#cancel()
    this.#failures = afterFailure(this.#failures, readyFor)
    const { delay, hold } = verdict(this.#failures, Math.random())
    if (passing) this.#plan(delay)
    this.#refusing ||= !hold || !passing
    return this.refusal
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

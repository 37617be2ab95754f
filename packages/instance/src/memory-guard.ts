import { afterFailure, type Failures, NO_FAILURES, verdict } from './back-off.ts'
import type { Generation } from './generation.ts'
import type { MemoryWatch } from './memory-watch.ts'

export interface MemoryGuardOptions {
  watch: MemoryWatch
  /** It takes more than `limits.memory`, so many bytes. */
  exceeded: (generation: Generation, bytes: number) => void
  /** The time has come to put another in its place. A failure leaves it serving. */
  replace: (generation: Generation) => Promise<void>
}

/**
 * Has a generation replaced that takes more memory than it may. One that does so again soon is let go on for longer and
 * longer, as a crash would be, so that a limit which is too low makes no storm of restarts.
 */
export class MemoryGuard {
  readonly #options: MemoryGuardOptions
  #failures: Failures = NO_FAILURES
  #stopWatch: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: MemoryGuardOptions) {
    this.#options = options
  }

  /** In the place of the one that was guarded before. */
  guard(generation: Generation): void {
    this.stop()
    const { memory } = generation.definition.limits
    if (memory === null) return
    this.#stopWatch = this.#options.watch.watch(generation.identity, memory, (bytes) => {
      this.#options.exceeded(generation, bytes)
      this.#failures = afterFailure(this.#failures, performance.now() - generation.readyAt!)
      this.#timer = setTimeout(
        () => void this.#replace(generation),
        verdict(this.#failures, Math.random()).delay,
      )
    })
  }

  stop(): void {
    this.#stopWatch?.()
    this.#stopWatch = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #replace(generation: Generation): Promise<void> {
    const timer = this.#timer
    await this.#options.replace(generation).catch(() => {
      // It serves on, and is looked after as before, unless something else has become of it meanwhile.
      if (this.#timer === timer) this.guard(generation)
    })
  }
}

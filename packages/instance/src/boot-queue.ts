/** What decides when a boot's turn comes. */
export interface Turn {
  /** Whether somebody waits for it, which may change while it waits itself; see {@link BootQueue.review}. */
  isUrgent: () => boolean
  /** It failed the last time: while nobody waits for it, it leaves the last place to others, in case it hangs. */
  isDoubtful: boolean
  /** Gives the wait up. */
  signal: AbortSignal
}

interface Waiting {
  turn: Turn
  admit: () => void
}

/**
 * The cap on boots under way at once: booting is when an application needs the processor most. The others wait, those
 * that somebody waits for before the rest, else in the order in which they came.
 */
export class BootQueue {
  readonly max: number
  #running = 0
  readonly #waiting: Waiting[] = []

  constructor(max: number) {
    this.max = max
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * Runs a boot when its turn comes.
   * @throws the signal's reason when the wait is given up, and whatever `boot` does
   */
  async run<Result>(turn: Turn, boot: () => Promise<Result>): Promise<Result> {
    await this.#admission(turn)
    try {
      return await boot()
    } finally {
      this.#running--
      this.review()
    }
  }

  /** To be called when one that waits has become urgent. */
  review(): void {
    for (let next = this.#next(); next; next = this.#next()) {
      this.#waiting.splice(this.#waiting.indexOf(next), 1)
      this.#running++
      next.admit()
    }
  }

  #next(): Waiting | undefined {
    const free = this.max - this.#running
    if (free <= 0) return undefined
    const isLast = free === 1 && this.max > 1
    return (
      this.#waiting.find(({ turn }) => turn.isUrgent()) ??
      this.#waiting.find(({ turn }) => !(turn.isDoubtful && isLast))
    )
  }

  #admission(turn: Turn): Promise<void> {
    const { signal } = turn
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(signal.reason as Error)
      }
      const waiting = {
        turn,
        admit: () => {
          signal.removeEventListener('abort', giveUp)
          resolve()
        },
      }
      this.#waiting.push(waiting)
      signal.addEventListener('abort', giveUp, { once: true })
      this.review()
    })
  }
}

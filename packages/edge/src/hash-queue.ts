import { Problem } from '@mux/contract'

export interface HashQueueOptions {
  /** Jobs that run at the same time. */
  atOnce: number
  /** Jobs that may wait for their turn. */
  waiting: number
  /** How long one may have to wait for its turn, in milliseconds, going by what the latest have taken. */
  patience: number
  /** What a job takes at least, in milliseconds, whatever a clock says that stands still while one runs, as on Workers. */
  usual: number
}

interface Waiting {
  isWanted: () => boolean
  begin: () => void
  leave: (refusal: Problem) => void
}

/** The share of the latest job in what the next one is taken to need. */
const LATEST = 1 / 8

/**
 * Runs a few jobs at a time, in order of arrival, so that a flood of sign-ins cannot take all cores and all memory. Whoever
 * would wait for too long is told so at once, and whoever has gone away is not waited for.
 */
export class HashQueue {
  readonly #options: HashQueueOptions
  #waiting: Waiting[] = []
  #running = 0
  /** What a job takes, in milliseconds. */
  #duration: number

  constructor(options: HashQueueOptions) {
    this.#options = options
    this.#duration = options.usual
  }

  /**
   * @param isWanted whether anybody still waits for the outcome; asked until the job begins
   * @throws {Problem} `rate_limited` when it would have to wait for too long, or is wanted no more
   */
  async run<Result>(job: () => Promise<Result>, isWanted: () => boolean = () => true): Promise<Result> {
    if (this.#running < this.#options.atOnce) this.#running += 1
    else await this.#turn(isWanted)
    const began = performance.now()
    try {
      return await job()
    } finally {
      const took = Math.max(performance.now() - began, this.#options.usual)
      this.#duration += (took - this.#duration) * LATEST
      this.#leaveOutUnwanted()
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next.begin()
    }
  }

  #turn(isWanted: () => boolean): Promise<void> {
    this.#leaveOutUnwanted()
    const { waiting, patience } = this.#options
    if (this.#waiting.length >= waiting || this.#delay() > patience) throw this.#refusal()
    return new Promise((begin, leave) => this.#waiting.push({ isWanted, begin, leave }))
  }

  #leaveOutUnwanted(): void {
    const wanted: Waiting[] = []
    for (const one of this.#waiting) {
      if (one.isWanted()) wanted.push(one)
      else one.leave(this.#refusal())
    }
    this.#waiting = wanted
  }

  /** How long one who comes now would wait for its turn, in milliseconds. */
  #delay(): number {
    return ((this.#waiting.length + 1) * this.#duration) / this.#options.atOnce
  }

  /** Those who wait now have had their turn by then. */
  #refusal(): Problem {
    return new Problem('rate_limited', { retryAfter: Math.ceil(this.#delay() / 1000) })
  }
}

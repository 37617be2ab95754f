import { Problem } from '@mux/contract'

export interface HashQueueOptions {
  /** Jobs that run at the same time. */
  atOnce: number
  /** Jobs that may wait for their turn. */
  waiting: number
  /** What one who finds the queue full is told to wait, in seconds. */
  retryAfter: number
}

/** Runs a few jobs at a time, in order of arrival, so that a flood of sign-ins cannot take all cores and all memory. */
export class HashQueue {
  readonly #options: HashQueueOptions
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(options: HashQueueOptions) {
    this.#options = options
  }

  /** @throws {Problem} `rate_limited` when the queue is full */
  async run<Result>(job: () => Promise<Result>): Promise<Result> {
    const { atOnce, waiting, retryAfter } = this.#options
    if (this.#running < atOnce) this.#running += 1
    else if (this.#waiting.length < waiting) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else throw new Problem('rate_limited', { retryAfter })
    try {
      return await job()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}

import { OutOfTime, within } from '../time-limit.ts'

export interface SharedReadsOptions {
  /** How long one waits for a reading that somebody else began, in milliseconds, before one begins another. */
  patience: number
  /** Keeps what a reading needs when the request that began it ends: others wait for it. */
  keepAlive: (reading: Promise<unknown>) => void
}

/**
 * Lets those who want the same at the same time read it once. On Workers what was begun for one request may end with it
 * and leave those who wait without any answer, which is what the patience is for.
 */
export class SharedReads<Value> {
  readonly #underWay = new Map<string, Promise<Value>>()
  readonly #options: SharedReadsOptions

  constructor(options: SharedReadsOptions) {
    this.#options = options
  }

  async read(key: string, begin: () => Promise<Value>): Promise<Value> {
    const running = this.#underWay.get(key)
    if (running === undefined) return await this.#begin(key, begin)
    try {
      return await within(this.#options.patience, running)
    } catch (error) {
      if (!(error instanceof OutOfTime)) throw error
    }
    const next = this.#underWay.get(key)
    return next === undefined || next === running ? await this.#begin(key, begin) : await next
  }

  #begin(key: string, begin: () => Promise<Value>): Promise<Value> {
    const reading = begin().finally(() => {
      if (this.#underWay.get(key) === reading) this.#underWay.delete(key)
    })
    this.#underWay.set(key, reading)
    this.#options.keepAlive(reading.catch(() => {}))
    return reading
  }
}

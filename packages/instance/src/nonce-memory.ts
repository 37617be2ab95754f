/** How many nonces are remembered: some 2,900 new ones a second for as long as an assertion can be fresh. */
const CAPACITY = 262_144
/** After so many milliseconds at most, what was used is noted: with each request, that would take as long as the request. */
const NOTE_AFTER = 100

/** A nonce that was used; it may be forgotten at `until`. */
export interface SpentNonce {
  nonce: string
  until: number
}

/** Knows beyond the end of this process which nonces were used. */
export interface NonceKeeper {
  /** Those of before, in the order in which they may be forgotten. */
  spent(): readonly SpentNonce[]
  /** Takes note of further ones, and may forget those of before `now`. */
  note(nonces: readonly SpentNonce[], now: number): void
}

interface NonceMemoryOptions {
  capacity?: number
  keeper?: NonceKeeper | undefined
  /** Told when the keeper fails: then this process alone knows what was used. */
  failed?: (error: unknown) => void
}

/** Remembers what was used once, for as long as it could be used again. Only what is validly signed gets in. */
export class NonceMemory {
  readonly #forgetAt: Map<string, number>
  readonly #capacity: number
  readonly #keeper: NonceKeeper | undefined
  readonly #failed: (error: unknown) => void
  #unnoted: SpentNonce[] = []
  #timer: NodeJS.Timeout | undefined
  #now = 0

  constructor({ capacity = CAPACITY, keeper, failed = () => {} }: NonceMemoryOptions = {}) {
    this.#capacity = capacity
    this.#keeper = keeper
    this.#failed = failed
    this.#forgetAt = new Map(keeper?.spent().map(({ nonce, until }) => [nonce, until]))
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
    if (this.#keeper !== undefined) {
      this.#now = now
      this.#unnoted.push({ nonce, until })
      this.#timer ??= setTimeout(() => this.flush(), NOTE_AFTER).unref()
    }
    return 'first'
  }

  /** Has noted whatever was used so far. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const nonces = this.#unnoted
    if (nonces.length === 0) return
    this.#unnoted = []
    try {
      this.#keeper?.note(nonces, this.#now)
    } catch (error) {
      this.#failed(error)
    }
  }
}

import type { InstanceName } from '@mux/contract'

/** Thrown when every instance that runs is busy, so that none can be stopped to make room. */
export class PoolFull extends Error {
  override readonly name = 'PoolFull'
}

/** What the pool has to know of those that hold a slot. */
export interface SlotHolder {
  readonly name: InstanceName
  /** When its last request ended, on the monotonic clock; null while it may not be stopped to make room. */
  idleSince(): number | null
  /** True while it is being stopped, and its slot will be free. */
  isLeaving(): boolean
  /** Stops it; from this moment on it is leaving. */
  makeRoom(): void
}

/** The cap on instances that run at once: one slot each, from before its process starts until its last one is gone. */
export class Slots {
  readonly #max: number
  readonly #holders = new Set<SlotHolder>()
  readonly #queue: { holder: SlotHolder; admit: () => void }[] = []

  constructor(max: number) {
    this.#max = max
  }

  get max(): number {
    return this.#max
  }

  get used(): number {
    return this.#holders.size
  }

  get hasRoom(): boolean {
    return this.#holders.size < this.#max
  }

  /**
   * Takes a slot; at the cap, the longest idle instance is stopped and waited for. Whoever holds one has it already.
   * @param signal gives the wait up
   * @throws {PoolFull} when all are busy, and the signal's reason
   */
  async take(holder: SlotHolder, signal: AbortSignal): Promise<void> {
    if (this.#holders.has(holder) || this.hasRoom) {
      this.takeFree(holder)
      return
    }
    const leaving = [...this.#holders].filter((other) => other.isLeaving()).length
    if (leaving <= this.#queue.length) this.#longestIdle().makeRoom()
    await this.#turn(holder, signal)
  }

  /**
   * Takes a slot if one is free.
   * @throws {PoolFull} when none is
   */
  takeFree(holder: SlotHolder): void {
    if (this.#holders.has(holder)) return
    if (!this.hasRoom) throw new PoolFull('As many instances run as may.')
    this.#holders.add(holder)
  }

  release(holder: SlotHolder): void {
    if (!this.#holders.delete(holder)) return
    const next = this.#queue.shift()
    if (!next) return
    this.#holders.add(next.holder)
    next.admit()
  }

  #longestIdle(): SlotHolder {
    let longest: SlotHolder | undefined
    let since = Infinity
    for (const holder of this.#holders) {
      const idle = holder.isLeaving() ? null : holder.idleSince()
      if (idle !== null && idle < since) {
        since = idle
        longest = holder
      }
    }
    if (!longest) throw new PoolFull('Every instance that runs is busy.')
    return longest
  }

  #turn(holder: SlotHolder, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1)
        reject(signal.reason as Error)
      }
      const waiting = {
        holder,
        admit: () => {
          signal.removeEventListener('abort', giveUp)
          resolve()
        },
      }
      this.#queue.push(waiting)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }
}

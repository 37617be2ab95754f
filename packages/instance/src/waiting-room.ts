import { Problem } from '@mux/contract'
import type { ClaimOptions, Lease } from './lease.ts'

/** Milliseconds after which a person's browser is told that the instance is starting. */
const NAVIGATION_PATIENCE = 1_500
/** Seconds after which trying again makes sense when the room was full. */
const BUSY_RETRY = { least: 1, spread: 4 }

interface Place<Entry> {
  options: ClaimOptions
  admit(entry: Entry): void
  refuse(reason: unknown): void
}

export interface RoomLimits {
  /** Requests held at a time. */
  queue: number
  /** Milliseconds that a request is held. */
  hold: number
}

/** The requests that are held until a generation can serve them, in the order in which they came. */
export class WaitingRoom<Entry = Lease> {
  readonly #places = new Set<Place<Entry>>()
  readonly #progress: () => string

  /** @param progress what a person is told who has waited for a moment, in one public sentence */
  constructor(progress: () => string) {
    this.#progress = progress
  }

  get size(): number {
    return this.#places.size
  }

  /**
   * Waits to be let in, with a lease for one.
   * @throws {Problem} `instance_busy` when the room is full; rejects with `instance_start_timeout` after
   *   `limits.hold`, with `instance_starting` for a navigation after 1.5 s, with what {@link refuse} is given, and
   *   with the signal's reason when the client goes away
   */
  enter(options: ClaimOptions, limits: RoomLimits): Promise<Entry> {
    const { signal, navigation } = options
    signal.throwIfAborted()
    if (this.#places.size >= limits.queue) throw busy()
    return new Promise((resolve, reject) => {
      const patience = navigation ? Math.min(NAVIGATION_PATIENCE, limits.hold) : limits.hold
      const leave = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', gone)
        this.#places.delete(place)
      }
      const place: Place<Entry> = {
        options,
        admit: (entry) => {
          leave()
          resolve(entry)
        },
        refuse: (reason) => {
          leave()
          reject(reason)
        },
      }
      const gone = () => place.refuse(signal.reason)
      const timer = setTimeout(() => place.refuse(this.#overdue(navigation)), patience)
      signal.addEventListener('abort', gone)
      this.#places.add(place)
    })
  }

  /** Lets everybody in, first come, first served. */
  admit(entry: (options: ClaimOptions) => Entry): void {
    for (const place of this.#places) place.admit(entry(place.options))
  }

  refuse(reason: Problem): void {
    for (const place of this.#places) place.refuse(reason)
  }

  #overdue(navigation: boolean): Problem {
    return navigation
      ? new Problem('instance_starting', { retryAfter: 1, detail: this.#progress() })
      : new Problem('instance_start_timeout', { retryAfter: 1 })
  }
}

/** Refuses a request that may well be served a little later; spread, so that all of them do not come back at once. */
export function busy(): Problem {
  return new Problem('instance_busy', { retryAfter: BUSY_RETRY.least + Math.random() * BUSY_RETRY.spread })
}

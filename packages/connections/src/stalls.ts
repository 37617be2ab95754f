/** What a connection tells of what is written to it. */
export interface Written {
  /** Bytes that were ever to be written, those that wait included. */
  readonly bytesWritten: number
  /** Bytes of them that wait. */
  readonly writableLength: number
}

interface Waiting {
  /** Bytes. */
  taken: number
  /** Milliseconds, on the monotonic clock. */
  since: number
}

/**
 * Tells which connections take nothing of what waits for them. Whoever never reads an answer, and still sends a byte now
 * and then, would otherwise hold a place for ever: a time limit of the socket is wound up by what comes in as well. Looks
 * at all of them now and then, so that no request pays for it.
 */
export class Stalls<Connection extends Written> {
  readonly #patience: number
  #waiting = new Map<Connection, Waiting>()

  /** @param patience milliseconds */
  constructor(patience: number) {
    this.#patience = patience
  }

  /**
   * Those for which something has waited, and of which nothing was taken, in every look for so long as the patience.
   * @param now milliseconds, on the monotonic clock
   */
  among(connections: Iterable<Connection>, now: number): Connection[] {
    const waiting = new Map<Connection, Waiting>()
    const stalled: Connection[] = []
    for (const connection of connections) {
      if (connection.writableLength === 0) continue
      const taken = connection.bytesWritten - connection.writableLength
      const before = this.#waiting.get(connection)
      const state = before?.taken === taken ? before : { taken, since: now }
      waiting.set(connection, state)
      if (now - state.since >= this.#patience) stalled.push(connection)
    }
    this.#waiting = waiting
    return stalled
  }
}

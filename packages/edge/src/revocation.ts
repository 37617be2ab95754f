import type { OpenExchanges } from '@mux/connections'
import type { Standing } from './authenticate.ts'
import type { OpenExchange } from './open-exchange.ts'

/** How often those behind open exchanges are looked up, in milliseconds: what is revoked is cut within a second. */
const INTERVAL = 400
/** How long an ordinary answer for somebody who has to come again may still take, in milliseconds. */
const GRACE = 30_000

/**
 * Ends what is open in the name of somebody who may no longer have it so. A request is judged once, when it comes, and a
 * WebSocket would outlive the user, the session or the token by days.
 *
 * What lets nobody in any more (a user who is removed or disabled, a token that is revoked) loses all at once. Where
 * somebody only has to come again (another password, a move, a sign-out), WebSockets and streams of events end at once;
 * what comes to an end by itself gets as long for that as in a restart.
 */
export class Revocation {
  readonly #open: OpenExchanges<OpenExchange>
  readonly #changed = new WeakMap<OpenExchange, number>()
  readonly #timer: NodeJS.Timeout
  #looking = false

  constructor(open: OpenExchanges<OpenExchange>) {
    this.#open = open
    this.#timer = setInterval(() => void this.#look(), INTERVAL).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    // A copy, since exchanges come and go meanwhile.
    for (const exchange of this.#open.all.slice()) {
      // A registry that cannot be read revokes nothing, and the next request is told that it cannot.
      const standing = (await exchange.standing?.().catch(() => undefined)) ?? 'good'
      if (this.#mustEnd(exchange, standing)) exchange.breakOff()
    }
    this.#looking = false
  }

  #mustEnd(exchange: OpenExchange, standing: Standing): boolean {
    if (standing === 'good') return false
    if (standing === 'gone' || exchange.endless) return true
    const now = performance.now()
    const since = this.#changed.get(exchange) ?? now
    this.#changed.set(exchange, since)
    return now - since >= GRACE
  }
}

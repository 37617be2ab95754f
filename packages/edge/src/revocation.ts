import type { UserName, UserRecord } from '@mux/contract'
import type { OpenExchange, OpenExchanges } from './open-exchanges.ts'
import type { RegistryReader } from './registry/registry.ts'

export interface RevocationOptions {
  open: OpenExchanges
  registry: RegistryReader
}

/** How often the users behind open exchanges are looked up, in milliseconds: what is revoked is cut within a second. */
const INTERVAL = 400
/** How long an ordinary answer of a user who may stay, but not as this request had it, may still take, in milliseconds. */
const GRACE = 30_000

/**
 * Ends what is open in the name of somebody who may no longer have it so. A request is judged once, when it comes, and a
 * WebSocket would outlive the user by days.
 *
 * Somebody who is removed or disabled loses all at once. Where only the version has changed (a password, a move, a
 * sign-out), WebSockets and streams of events end at once, and their programs come again as whoever they are now; what
 * comes to an end by itself gets as long for that as in a restart.
 */
export class Revocation {
  readonly #options: RevocationOptions
  readonly #outdated = new WeakMap<OpenExchange, number>()
  readonly #timer: NodeJS.Timeout
  #looking = false

  constructor(options: RevocationOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.#look(), INTERVAL).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    for (const [user, exchanges] of this.#byUser()) {
      // A record that cannot be read revokes nothing, and the next request of this user is told that it cannot.
      const record = await this.#options.registry.read('user', user).catch(() => null)
      if (record === null) continue
      for (const exchange of exchanges) if (this.#mustEnd(exchange, record)) exchange.breakOff()
    }
    this.#looking = false
  }

  #byUser(): Map<UserName, OpenExchange[]> {
    const byUser = new Map<UserName, OpenExchange[]>()
    for (const exchange of this.#options.open.all) {
      const { user } = exchange.decision
      if (user === undefined) continue
      const others = byUser.get(user)
      if (others === undefined) byUser.set(user, [exchange])
      else others.push(exchange)
    }
    return byUser
  }

  #mustEnd(exchange: OpenExchange, record: UserRecord | undefined): boolean {
    if (record === undefined || record.disabled) return true
    if (record.version === exchange.decision.version) return false
    if (exchange.endless) return true
    const now = performance.now()
    const since = this.#outdated.get(exchange) ?? now
    this.#outdated.set(exchange, since)
    return now - since >= GRACE
  }
}

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { OpenExchanges, type Placed } from '@mux/connections'
import {
  foldedName,
  type HostName,
  type InstanceName,
  isHopByHop,
  isNavigation,
  type KnownUser,
  Problem,
  PROOF_HEADER,
  SIGNATURE_SKEW,
  type UserName,
} from '@mux/contract'
import { endToEnd, firstHeader, isOpenEnded, trustedNames } from './forward/headers.ts'
import type { ForwardOrder } from './forward/order.ts'
import { ClientGone } from './forward/request-body.ts'
import { Holds } from './holds.ts'
import type { LogEvent } from './log-event.ts'
import { type NonceKeeper, NonceMemory } from './nonce-memory.ts'
import { type Assertion, verifyAssertion } from './verify-assertion.ts'
import { busy, type RoomLimits } from './waiting-room.ts'

export interface VersionFloors {
  /** The least version of a user's record that is good here; undefined: any. */
  floorOf(user: UserName): number | undefined
  /** Raises them for good: they are on the disk when it returns. @returns those that were lower */
  raise(users: readonly KnownUser[]): KnownUser[]
}

export interface AssertedRequestsOptions {
  /** The name of this host. */
  host: HostName
  /** This host's keys (see `deriveHostKey`) of that id: more than one while the edge changes its own. */
  keys: (keyid: string) => readonly Uint8Array[]
  /** The header that tells an instance its user, besides `Mux-User`. */
  identityHeader: string
  /** The version of a user's record that this host has itself; an older decision is refused. */
  knownVersion?: (user: UserName) => Promise<number | undefined>
  /** What its operator has told it of other versions. */
  floors: VersionFloors
  /** What was used once stays so when this process has ended; without one, for as long as it runs. */
  nonces?: NonceKeeper
  /** Within which limits requests for an instance are held; undefined where there is none of that name. */
  holding: (instance: InstanceName) => RoomLimits | undefined
  /** Milliseconds since the epoch. */
  now: () => number
  log: (event: LogEvent) => void
}

/** One request as it came, and what can be done with it. */
export interface AskedRequest {
  incoming: IncomingMessage
  upgrade: boolean
  /** Ends it in the middle; harmless when it is over. */
  breakOff: () => void
  forward: (order: ForwardOrder) => Promise<void>
}

/** A request under way, by the version of its user's record that it rests on. */
interface GatewayExchange extends Placed {
  readonly user: UserName | undefined
  readonly version: number
  /** A WebSocket or a stream of events. */
  endless: boolean
  /** That version is no longer good. */
  outdated: boolean
  breakOff(): void
}

/** Folded names of what is restored here, or settled between the two hops. */
const SET_ANEW = new Set(['host', 'content-length', 'expect'])
/** What the edge has set is as true as the connection from it; what something in between adds is not the first. */
const FROM_EDGE = ['X-Forwarded-For', 'X-Forwarded-Proto']
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])
/** How long an ordinary answer for somebody who has to come again may still take, in milliseconds. */
const GRACE = 30_000

/** Requests of an edge: each is verified before anything else, admitted, and made an order to forward. */
export class AssertedRequests {
  readonly #options: AssertedRequestsOptions
  readonly #maxRequests: number
  readonly #isTrusted: (name: string) => boolean
  readonly #nonces: NonceMemory
  readonly #open = new OpenExchanges<GatewayExchange>()
  readonly #holds = new Holds()
  readonly #graces = new Set<NodeJS.Timeout>()

  /** @param maxRequests that one user may have under way at once */
  constructor(options: AssertedRequestsOptions, maxRequests: number) {
    this.#options = options
    this.#maxRequests = maxRequests
    this.#isTrusted = trustedNames(options.identityHeader)
    this.#nonces = new NonceMemory({
      keeper: options.nonces,
      failed: (error) => options.log({ event: 'nonces_not_noted', reason: String(error) }),
    })
  }

  /**
   * At once, and not in a later turn: Node goes on to what was sent behind it, which counts for nothing when this is refused.
   * @throws {Problem}
   */
  verify(incoming: IncomingMessage, upgrade: boolean): Assertion {
    const { keys, now, log } = this.#options
    const seconds = Math.floor(now() / 1000)
    const { rawHeaders } = incoming
    const received = { method: incoming.method!, target: incoming.url!, rawHeaders }
    const assertion = verifyAssertion(received, keys, seconds)
    if (typeof assertion === 'string') {
      log({ event: 'assertion_refused', reason: assertion })
      throw new Problem('assertion_invalid')
    }
    if (upgrade || !SAFE_METHODS.has(incoming.method!)) {
      const use = this.#nonces.use(assertion.nonce, assertion.expires + SIGNATURE_SKEW, seconds)
      if (use === 'full') throw busy()
      if (use === 'again') {
        log({ event: 'assertion_refused', reason: 'replayed', request: assertion.decision.requestId })
        throw new Problem('assertion_invalid')
      }
    }
    return assertion
  }

  /**
   * Settles when the exchange is over.
   * @throws {Problem} before anything has been answered
   */
  async serve(assertion: Assertion, request: AskedRequest): Promise<void> {
    const { incoming, upgrade, breakOff, forward } = request
    const { decision } = assertion
    if (this.#open.of(decision.user) >= this.#maxRequests)
      throw new Problem('too_many_requests', { retryAfter: 1 })
    const exchange: GatewayExchange = {
      user: decision.user,
      version: decision.version,
      endless: upgrade,
      outdated: false,
      breakOff,
      place: -1,
    }
    this.#open.enter(exchange)
    try {
      const order = this.#orderFor(incoming, assertion, exchange)
      if (this.#options.knownVersion) await this.#refuseOlderThanOwn(decision)
      while (this.#holds.isHeld(decision.instance)) await this.#wait(incoming.socket, order)
      this.#refuseOutdated(decision)
      await forward(order)
    } catch (error) {
      if (!(error instanceof ClientGone)) throw error
    } finally {
      this.#open.leave(exchange)
    }
  }

  /** See the order `known`. @returns how many were raised, and how many exchanges were ended at once */
  known(users: readonly KnownUser[]): { raised: number; closed: number } {
    const raised = this.#options.floors.raise(users).length
    const told = new Map(users.map((user) => [user.name, user]))
    const later: GatewayExchange[] = []
    let closed = 0
    // A copy, since exchanges leave meanwhile.
    for (const exchange of this.#open.all.slice()) {
      const user = exchange.user === undefined ? undefined : told.get(exchange.user)
      if (user === undefined || exchange.version >= user.version) continue
      exchange.outdated = true
      if (user.gone === true || exchange.endless) {
        closed++
        exchange.breakOff()
      } else later.push(exchange)
    }
    if (later.length > 0) this.#breakOffLater(later)
    return { raised, closed }
  }

  hold(instance: InstanceName, milliseconds: number): void {
    this.#holds.hold(instance, milliseconds)
  }

  /** @returns how many requests were held */
  release(instance: InstanceName): number {
    return this.#holds.release(instance)
  }

  /** Holds nothing any more, so that everything can come to its end. */
  close(): void {
    this.#holds.releaseAll()
    this.#nonces.flush()
    for (const grace of this.#graces) clearTimeout(grace)
  }

  /**
   * What was changed on this host counts at once, whatever the edge still remembers.
   * @throws {Problem} `misdirected`
   */
  async #refuseOlderThanOwn({ user, version }: Assertion['decision']): Promise<void> {
    const own = user === undefined ? undefined : await this.#options.knownVersion?.(user)
    if (own !== undefined && version < own) throw outdated(own)
  }

  /** What the operator has told this host, too. @throws {Problem} `misdirected` */
  #refuseOutdated({ user, version }: Assertion['decision']): void {
    const floor = user === undefined ? undefined : this.#options.floors.floorOf(user)
    if (floor !== undefined && version < floor) throw outdated(floor)
  }

  /** Waits until its instance is held no longer. */
  async #wait(client: Duplex, { decision, navigation }: ForwardOrder): Promise<void> {
    const limits = this.#options.holding(decision.instance)
    // The claim has the words for an instance that is not here.
    if (limits === undefined) {
      this.#holds.release(decision.instance)
      return
    }
    const gone = new AbortController()
    const leave = () => gone.abort(new ClientGone('the client left'))
    client.once('close', leave)
    try {
      await this.#holds.pass(decision.instance, { signal: gone.signal, navigation }, limits)
    } finally {
      client.off('close', leave)
    }
  }

  #breakOffLater(exchanges: readonly GatewayExchange[]): void {
    const grace = setTimeout(() => {
      this.#graces.delete(grace)
      for (const exchange of exchanges) if (this.#open.all[exchange.place] === exchange) exchange.breakOff()
    }, GRACE)
    this.#graces.add(grace)
  }

  #orderFor(
    incoming: IncomingMessage,
    { decision, forwardedHost, proof }: Assertion,
    exchange: GatewayExchange,
  ): ForwardOrder {
    const { host, identityHeader } = this.#options
    const { user, instance, requestId } = decision
    const headers = endToEnd(incoming.rawHeaders, (name) => isOurs(name, this.#isTrusted))
    headers.push('Host', forwardedHost, 'X-Forwarded-Host', forwardedHost)
    for (const name of FROM_EDGE) {
      const value = firstHeader(incoming.rawHeaders, name.toLowerCase())
      if (value !== undefined) headers.push(name, value)
    }
    headers.push('X-Request-Id', requestId, 'Mux-Instance', instance)
    if (user !== undefined) headers.push('Mux-User', user, identityHeader, user)
    return {
      decision: { ...decision, host },
      target: incoming.url!,
      headers,
      navigation: isNavigation(incoming.method!, (name) => firstHeader(incoming.rawHeaders, name)),
      answerHeaders: (rawHeaders) => {
        exchange.endless ||= isOpenEnded(rawHeaders)
        // It began before this was known to be one that does not end by itself.
        if (exchange.endless && exchange.outdated) setImmediate(() => exchange.breakOff())
        return [...withoutOurs(rawHeaders), PROOF_HEADER, proof]
      },
      recheck: () => this.#refuseOutdated(decision),
    }
  }
}

function outdated(wantedVersion: number): Problem {
  return new Problem('misdirected', { wantedVersion })
}

/** What comes in under these names was for the gateway, or is set anew. */
function isOurs(name: string, isTrusted: (name: string) => boolean): boolean {
  const folded = foldedName(name)
  return SET_ANEW.has(folded) || isHopByHop(folded) || isTrusted(name)
}

/** An instance says nothing in our name. */
function withoutOurs(rawHeaders: readonly string[]): string[] {
  return endToEnd(rawHeaders, (name) => foldedName(name).startsWith('mux-'))
}

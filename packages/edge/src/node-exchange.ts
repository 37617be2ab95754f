import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { cutOff, type OpenExchanges } from '@mux/connections'
import { Problem, type HostName, type UserName } from '@mux/contract'
import type { Standing } from './authenticate.ts'
import { headerValues, type DecidedRequest, type Exchange } from './forward.ts'
import type { ForwardOrder, InstanceHost } from './instance-host.ts'
import type { Log } from './log-event.ts'
import type { OpenExchange } from './open-exchange.ts'
import { originForm } from './request-check.ts'
import { type Origin, type TrustedProxies, unmapped } from './trusted-proxies.ts'

/** Whom a decided request goes to in the embedded edge. */
export interface NodeForwarding {
  host: InstanceHost
  hostName: HostName
  open: OpenExchanges<OpenExchange>
  /** Undefined where nobody's word is taken. */
  proxies: TrustedProxies | undefined
  /** How many requests of one user may be under way at once. */
  maxRequests: number
  log: Log
}

/** Where the answer goes: to a response, or straight to the socket that is to be upgraded. */
export type Reply = { outgoing: ServerResponse } | { socket: Duplex; head: Buffer }

/** A request as Node's HTTP server took it. */
export class NodeExchange implements Exchange, OpenExchange {
  readonly requestId = crypto.randomUUID()
  readonly target: string
  readonly peer: string
  readonly scheme: 'http' | 'https'
  user: UserName | undefined
  place = -1
  standing: (() => Promise<Standing>) | undefined
  #handedOn = false
  /** The header list of the instance's answer, once there is one. */
  #answer: readonly string[] = []
  #revoked: AbortController | undefined
  /** What a proxy says that the client asked for. */
  readonly #host: string | undefined
  readonly #incoming: IncomingMessage
  readonly #reply: Reply
  readonly #forwarding: NodeForwarding

  constructor(incoming: IncomingMessage, reply: Reply, forwarding: NodeForwarding) {
    this.#incoming = incoming
    this.#reply = reply
    this.#forwarding = forwarding
    this.target = originForm(incoming.url!, incoming.headers.host)
    const { peer, scheme, host } = originOf(incoming, forwarding.proxies)
    this.peer = peer
    this.scheme = scheme
    this.#host = host
  }

  get method(): string {
    return this.#incoming.method!
  }

  get httpVersion(): string {
    return this.#incoming.httpVersion
  }

  get rawHeaders(): readonly string[] {
    return this.#incoming.rawHeaders
  }

  get upgrade(): boolean {
    return 'socket' in this.#reply
  }

  get isGone(): boolean {
    return this.#incoming.socket.destroyed
  }

  /** True when the answer was, or is being, written by the host of the instance. */
  get handedOn(): boolean {
    return this.#handedOn
  }

  get endless(): boolean {
    return this.upgrade || headerValues(this.#answer, 'content-type').some(isEventStream)
  }

  breakOff(): void {
    if ('outgoing' in this.#reply) cutOff(this.#reply.outgoing)
    else this.#revoked?.abort()
  }

  header(name: string): string | undefined {
    if (name === 'host' && this.#host !== undefined) return this.#host
    const value = this.#incoming.headers[name]
    return typeof value === 'string' ? value : value?.[0]
  }

  askForBody(): void {
    if ('outgoing' in this.#reply && this.#incoming.headers.expect?.toLowerCase() === '100-continue') {
      this.#reply.outgoing.writeContinue()
    }
  }

  async forward({
    decision,
    headers,
    navigation,
    standing,
    answerHeaders,
  }: DecidedRequest): Promise<Response> {
    const { host, hostName, open, maxRequests } = this.#forwarding
    if (decision.host !== hostName) throw new Problem('misdirected')
    if (open.of(decision.user) >= maxRequests) throw new Problem('too_many_requests', { retryAfter: 1 })
    const { requestId, target } = this
    const order: ForwardOrder = {
      decision,
      target,
      headers,
      navigation,
      answerHeaders: (raw) => {
        this.#answer = raw
        return answerHeaders(raw)
      },
    }
    if (this.upgrade) {
      this.#revoked = new AbortController()
      order.revoked = this.#revoked.signal
    }
    this.standing = standing
    this.user = decision.user
    this.#handedOn = true
    open.enter(this)
    try {
      if ('outgoing' in this.#reply) await host.request(this.#incoming, this.#reply.outgoing, order)
      else await host.upgrade(this.#incoming, this.#reply.socket, this.#reply.head, order)
    } catch (error) {
      // Nobody is there any more to be told of it.
      if (this.isGone) return RESPONSE_ALREADY_SENT
      if ('outgoing' in this.#reply && this.#reply.outgoing.headersSent) {
        this.#forwarding.log({ event: 'answer_broken_off', request_id: requestId, error })
        cutOff(this.#reply.outgoing)
        return RESPONSE_ALREADY_SENT
      }
      this.#handedOn = false
      throw error
    } finally {
      open.leave(this)
    }
    return RESPONSE_ALREADY_SENT
  }
}

function originOf(incoming: IncomingMessage, proxies: TrustedProxies | undefined): Origin {
  const { socket, rawHeaders } = incoming
  const peer = unmapped(socket.remoteAddress ?? 'unknown')
  const connection = { peer, scheme: 'encrypted' in socket ? 'https' : 'http' } as const
  return proxies?.has(peer)
    ? proxies.originOf(connection, (name) => headerValues(rawHeaders, name))
    : { ...connection, host: undefined }
}

/** The media type of server-sent events (https://html.spec.whatwg.org/multipage/iana.html#text/event-stream). */
function isEventStream(contentType: string): boolean {
  return /^\s*text\/event-stream\s*(?:;|$)/i.test(contentType)
}

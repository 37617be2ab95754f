import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { cutOff } from '@mux/connections'
import { type Activity, Problem } from '@mux/contract'
import type { ClaimOptions, Lease, LeaseSource } from '../lease.ts'
import { within } from '../wait.ts'
import { claim } from './claim.ts'
import { brokeWhileKept } from './connection.ts'
import { type BodyFraming, bodyFraming, isOpenEnded, lengthAllowedBy, passingTrailers } from './headers.ts'
import type { ForwardOrder } from './order.ts'
import { toProblem } from './problem.ts'
import { LAST_BREATH, mayBeDying, reclaimDelay } from './reclaim.ts'
import { ClientGone, RequestBody } from './request-body.ts'
import { sendAlone } from './send-alone.ts'
import { sendPooled } from './send-pooled.ts'
import { OddAnswer, type Receiver, type Upstream, type UpstreamRequest } from './upstream.ts'
import { Watchers } from './watchers.ts'

/** Methods whose requests may reach the instance twice without a difference (RFC 9110 section 9.2.2), less those with a body. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** What forwarding is done with, the same for every request. */
export interface ForwardMeans {
  source: LeaseSource
  /** See `trustedNames`. */
  isTrusted: (name: string) => boolean
  /** See `InstanceHostOptions`. */
  bodySilence: number
}

/**
 * Claims a generation, sends one request to it and streams its answer to the client. Settles when the instance owes
 * nothing more, also when the client has left.
 * @throws {Problem} before anything has been written to the client, and never after: an answer that breaks off in the
 *   middle is cut off visibly
 */
export function forwardRequest(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  order: ForwardOrder,
  means: ForwardMeans,
): Promise<void> {
  return new Promise((resolve, reject) => {
    new Exchange(incoming, outgoing, order, means, resolve, reject).begin()
  })
}

const clients = new Watchers<Socket, Exchange>(
  (socket, fire) => socket.once('close', fire),
  (exchange) => exchange.clientGone(),
)
const generations = new Watchers<AbortSignal, Exchange>(
  (signal, fire) => signal.addEventListener('abort', fire, { once: true }),
  (exchange) => exchange.generationEnded(),
)

/** One request and its answer; everything that can happen to it ends in {@link Exchange.#settle}, once. */
class Exchange implements Receiver, ClaimOptions {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #client: Socket
  readonly #order: ForwardOrder
  readonly #means: ForwardMeans
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void
  #abandoned: AbortController | undefined
  #framing!: BodyFraming
  #body: RequestBody | null = null
  #lease: Lease | undefined
  #upstream: Upstream | undefined
  #answering = false
  /** As they came from the instance. */
  #rawAnswerHeaders: readonly string[] = []
  /** As they went to the client. */
  #answerHeaders: readonly string[] = []
  #repeated = false
  #attempts = 0
  #pause: NodeJS.Timeout | undefined
  #wroteBody = false
  #over = false

  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    order: ForwardOrder,
    means: ForwardMeans,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#client = incoming.socket
    this.#order = order
    this.#means = means
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Made when it is asked for: a claim on a generation that is ready needs none. */
  get signal(): AbortSignal {
    this.#abandoned ??= new AbortController()
    return this.#abandoned.signal
  }

  get navigation(): boolean {
    return this.#order.navigation
  }

  get target(): string {
    return this.#order.target
  }

  get activity(): Activity {
    return this.#hasBody ? 'upload' : 'request'
  }

  get #hasBody(): boolean {
    const { length, chunked } = this.#framing
    return chunked || (length !== undefined && length !== '0')
  }

  begin(): void {
    if (this.#client.destroyed) return this.#settle()
    clients.add(this.#client, this)
    const framing = bodyFraming(this.#incoming.rawHeaders)
    if (!framing) return this.failed(new Problem('bad_request'))
    this.#framing = framing
    this.#claim()
  }

  #claim(): void {
    try {
      const claimed = claim(this.#means.source, this.#order, this)
      if ('release' in claimed) this.#send(claimed)
      else
        claimed.then(
          (lease) => this.#send(lease),
          (error: Error) => this.failed(error),
        )
    } catch (error) {
      this.failed(error as Error)
    }
  }

  #send(lease: Lease): void {
    if (this.#over) return lease.release()
    this.#lease = lease
    if (lease.ended.aborted) return this.generationEnded()
    generations.add(lease.ended, this)
    const { chunked, expectsContinue } = this.#framing
    if (this.#body === null && this.#hasBody) {
      this.#body = new RequestBody(this.#incoming, this.#means.bodySilence)
      if (expectsContinue) this.#outgoing.writeContinue()
    }
    try {
      if (chunked) sendAlone(lease, this.#request(), this)
      else sendPooled(lease.connections.of(this.#order.decision.user), this.#request(), this)
    } catch (error) {
      this.failed(error as Error)
    }
  }

  #request(): UpstreamRequest {
    return {
      method: this.#incoming.method!,
      target: this.#order.target,
      headers: this.#order.headers,
      body: this.#body,
      length: this.#framing.length,
      responseLimit: this.#lease!.responseLimit,
      trailers: () => {
        const { rawTrailers, rawHeaders } = this.#incoming
        return passingTrailers(rawTrailers, rawHeaders, this.#means.isTrusted)
      },
    }
  }

  sending(upstream: Upstream): void {
    this.#upstream = upstream
    if (this.#over) upstream.abort(new ClientGone('the client left'))
  }

  answering(): void {
    this.#answering = true
  }

  head(status: number, reason: string, rawHeaders: string[]): void {
    const headers = lengthAllowedBy(status, this.#order.answerHeaders(rawHeaders))
    // Closing under an upload would cost the client the answer.
    if (this.#lease!.leaving && this.#incoming.complete) headers.push('Connection', 'close')
    this.#rawAnswerHeaders = rawHeaders
    this.#answerHeaders = headers
    this.#body?.answered(this.#lease!.responseLimit)
    try {
      this.#outgoing.writeHead(status, reason, headers)
    } catch (error) {
      // Node keeps a reason that it has refused, and would refuse it once more in the answer of ours that takes its place.
      this.#outgoing.statusMessage = ''
      throw new OddAnswer('the head of the answer cannot be passed on', { cause: error })
    }
    // Not at once: in most answers the first of the body is about to follow, and shares a packet with the head.
    process.nextTick(flushHead, this)
  }

  flushHead(): void {
    if (!this.#wroteBody && !this.#over) this.#outgoing.flushHeaders()
  }

  data(chunk: Buffer): boolean {
    this.#wroteBody = true
    this.#body?.heard()
    if (this.#outgoing.write(chunk)) return true
    this.#outgoing.once('drain', () => this.#upstream?.resume())
    return false
  }

  ended(rawTrailers: string[]): void {
    if (this.#over) return
    try {
      if (rawTrailers.length > 0) this.#outgoing.addTrailers(this.#trailersOf(rawTrailers))
    } catch (error) {
      return this.failed(error as Error)
    }
    this.#outgoing.end()
    this.#settle()
  }

  failed(error: Error): void {
    if (this.#over) return
    if (error instanceof ClientGone || this.#client.destroyed) return this.#settle()
    if (!this.#outgoing.headersSent) {
      if (this.#mayRepeat(error)) return this.#repeat()
      const delay = reclaimDelay(error, this.#attempts++)
      if (delay !== undefined) return this.#claimLater(delay)
    }
    void this.#giveUp(error)
  }

  async #giveUp(error: Error): Promise<void> {
    if (mayBeDying(error)) await within(this.#lease!.exited, LAST_BREATH)
    if (this.#over) return
    if (!this.#outgoing.headersSent) return this.#settle(toProblem(error))
    cutOff(this.#outgoing)
    this.#settle()
  }

  clientGone(): void {
    const gone = new ClientGone('the client left')
    this.#settle()
    this.#abandoned?.abort(gone)
    this.#upstream?.abort(gone)
  }

  generationEnded(): void {
    const upstream = this.#upstream
    const over = new OddAnswer('the time of the generation is over')
    if (this.#outgoing.headersSent && isOpenEnded(this.#answerHeaders)) this.ended([])
    else this.failed(over)
    upstream?.abort(over)
  }

  /**
   * Whether the request may be sent once more: the connection was closed under it before any byte of an answer, and
   * it either never left or may arrive twice.
   */
  #mayRepeat(error: Error): boolean {
    if (this.#repeated || this.#answering || !brokeWhileKept(error)) return false
    return this.#upstream === undefined || (this.#body === null && REPEATABLE.has(this.#incoming.method!))
  }

  #repeat(): void {
    this.#repeated = true
    try {
      sendAlone(this.#lease!, this.#request(), this)
    } catch (error) {
      this.#settle(toProblem(error as Error))
    }
  }

  #trailersOf(rawTrailers: readonly string[]): [string, string][] {
    return passingTrailers(
      this.#order.answerHeaders(rawTrailers),
      this.#rawAnswerHeaders,
      this.#means.isTrusted,
    )
  }

  #claimLater(delay: number): void {
    this.#giveBack()
    this.#upstream = undefined
    this.#pause = setTimeout(() => this.#claim(), delay)
  }

  #giveBack(): void {
    if (!this.#lease) return
    generations.delete(this.#lease.ended, this)
    this.#lease.release()
    this.#lease = undefined
  }

  #settle(problem?: unknown): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#pause)
    this.#body?.destroy()
    clients.delete(this.#client, this)
    this.#giveBack()
    if (problem === undefined) this.#resolve()
    else this.#reject(problem)
  }
}

function flushHead(exchange: Exchange): void {
  exchange.flushHead()
}

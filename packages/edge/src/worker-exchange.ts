import { connect } from 'cloudflare:sockets'
import {
  DEFAULT_ROUTE,
  EDGE_HEADER,
  LOCAL_ORIGIN,
  Problem,
  PROBLEMS,
  PROOF_HEADER,
  splitTarget,
  type Decision,
  type HostName,
  type ProblemCode,
} from '@mux/contract'
import type { PlatformAccess } from './access.ts'
import { fetchTarget } from './fetch-target.ts'
import { routeKeyOf } from './find-instance.ts'
import type { DecidedRequest, Exchange } from './forward.ts'
import { doorTo, type HostDoor, type HostDoors } from './host-door.ts'
import { appendTo, headersOf, listOf, valueOf, without } from './header-list.ts'
import type { Log } from './log-event.ts'
import { Outdated } from './outdated.ts'
import type { KvRegistry } from './registry/kv.ts'
import type { DecisionSigner } from './sign-decision.ts'
import { OutOfTime } from './time-limit.ts'
import { whileReached } from './while-reached.ts'

/**
 * How long the gateway may take to begin its answer, in milliseconds. Longer than a host takes to give up by itself, unless
 * the operator has set more: `limits.hold`, then the ten minutes of `limits.response`. Once the answer has begun it may take
 * as long as it moves.
 */
const HEADERS_TIMEOUT = 900_000

/** The longest body that is kept until the host has answered, to be sent once more, in bytes. */
const MAX_KEPT = 64 * 1024
/** Methods with which `fetch` takes no body. */
const BODILESS = new Set(['GET', 'HEAD'])
/**
 * What a gateway answers without a proof: it does not know for whom, or what it was asked. The code counts then, and no word of
 * what came with it.
 */
const UNPROVEN: ReadonlySet<string> = new Set<ProblemCode>([
  'assertion_invalid',
  'bad_request',
  'request_timeout',
  'headers_too_large',
  'body_too_large',
  'too_many_connections',
  'instance_busy',
])
/** The platform makes no answer of another status, and the classes end there (RFC 9110 section 15). */
const LAST_STATUS = 599
/** The version of a user's record that a host wants, as it names it. */
const VERSION = /^[1-9]\d{0,15}$/

export interface GatewayForwarding {
  signer: DecisionSigner
  doors: HostDoors
  registry: Pick<KvRegistry, 'doubt' | 'expect'>
  log: Log
}

/** A request as workerd took it, to be answered by the gateway of the host that holds the instance. */
export class WorkerExchange implements Exchange {
  readonly requestId = crypto.randomUUID()
  readonly httpVersion = '1.1'
  readonly target: string
  readonly scheme: 'http' | 'https'
  readonly rawHeaders: readonly string[]
  readonly upgrade: boolean
  readonly access: PlatformAccess | undefined
  readonly #request: Request
  readonly #forwarding: GatewayForwarding
  /** What is left to send of the body: all of it, or a copy; undefined when it has been sent and there is none. */
  #body: ReadableStream | null | undefined

  constructor(request: Request, forwarding: GatewayForwarding, access: PlatformAccess | undefined) {
    const { url, headers } = request
    this.#request = request
    this.#body = request.body
    this.#forwarding = forwarding
    this.access = access
    // Not of the parsed URL: its path and query lose a question mark with nothing behind it, its origin a default port.
    this.target = url.slice(url.indexOf('/', url.indexOf('://') + 3))
    this.scheme = url.startsWith('https:') ? 'https' : 'http'
    this.rawHeaders = listOf(headers)
    this.upgrade = this.header('upgrade') !== undefined
  }

  get method(): string {
    return this.#request.method
  }

  get peer(): string {
    return this.header('cf-connecting-ip') ?? 'unknown'
  }

  header(name: string): string | undefined {
    return valueOf(this.rawHeaders, name)
  }

  askForBody(): void {
    // The platform has settled that with the client.
  }

  async forward({ decision, origin, headers, answerHeaders }: DecidedRequest): Promise<Response> {
    if (origin === LOCAL_ORIGIN) throw new Problem('instance_undefined')
    const target = fetchTarget(this.target)
    // In the same turn as the signature, of whose time it is.
    const proof = this.#forwarding.signer.proofOf(decision.host)
    const answer = await this.#ask(origin, target, this.#signed(target, headers, decision), decision.host)
    const all = listOf(answer.headers)
    const code = valueOf(all, 'mux-problem')
    // Compared in no constant time: a proof is looked at once, and nobody is told how far it was right.
    if (valueOf(all, PROOF_HEADER) !== proof) throw await this.#unproven(answer, code, decision.host)
    const answered = without(all, PROOF_HEADER)
    if (code !== undefined) throw await this.#problem(answer, code, decision)
    if (answer.status > LAST_STATUS) {
      await answer.body?.cancel()
      throw new Problem('instance_unreachable')
    }
    // A client who has left takes the copy along; nothing is to be said of that.
    this.#body?.cancel().catch(() => {})
    const kept = answerHeaders(answered)
    // The platform copies headers faster than it takes a list of them; nearly always there is nothing to leave out.
    if (answered.every((text, at) => text === kept[at])) {
      const copy = new Response(answer.body, answer)
      copy.headers.delete(PROOF_HEADER)
      appendTo(copy.headers, kept, answered.length)
      return copy
    }
    const { status, statusText, webSocket } = answer
    return new Response(answer.body, { status, statusText, webSocket, headers: headersOf(kept) })
  }

  /** Whoever answers there, it is not for their answer that was asked: the page of a tunnel, or of whoever has the address by now. */
  async #unproven(answer: Response, code: string | undefined, host: HostName): Promise<Problem> {
    await answer.body?.cancel()
    answer.webSocket?.accept()
    answer.webSocket?.close()
    if (code !== undefined && UNPROVEN.has(code)) {
      const retryAfter = code === 'too_many_connections' || code === 'instance_busy' ? { retryAfter: 1 } : {}
      return new Problem(code as ProblemCode, retryAfter)
    }
    this.#forwarding.log({ event: 'host_unproven', request_id: this.requestId, host, status: answer.status })
    return new Problem('instance_unreachable')
  }

  /** What a host refuses for knowing better is decided anew, by records that are read anew. */
  async #problem(answer: Response, code: string, { user, instance, host }: Decision): Promise<Problem> {
    const problem = await readProblem(answer, code)
    if (problem.code !== 'misdirected') return problem
    const { registry, log } = this.#forwarding
    const version = answer.headers.get('mux-version') ?? ''
    const named = user !== undefined && VERSION.test(version)
    log({
      event: 'decision_outdated',
      request_id: this.requestId,
      host,
      version: named ? version : undefined,
    })
    if (named) registry.expect(user, Number(version))
    registry.doubt([
      ...(user === undefined ? [] : [['user', user] as const]),
      ['instance', instance],
      ['route', routeKeyOf(this.header('host')!) ?? DEFAULT_ROUTE],
      ['route', DEFAULT_ROUTE],
    ])
    return new Outdated({ named, repeatable: this.#body !== undefined })
  }

  /** The body to send now. A small one of a known length is kept besides: what is let through in pieces is not. */
  #takeBody(): ReadableStream | null {
    const body = this.#body
    if (body === null) return null
    if (body === undefined) throw new Problem('internal', { cause: new Error('the body has been sent') })
    if (BODILESS.has(this.method)) {
      // A body that is said to be empty is one to the platform, which then sends none with these methods.
      if (this.header('content-length') === '0') return null
      throw new Problem('bad_request', {
        detail: 'From here, GET and HEAD are passed on without a body only.',
      })
    }
    const length = Number(this.header('content-length') ?? Number.NaN)
    if (!(length <= MAX_KEPT)) {
      this.#body = undefined
      return body
    }
    const [now, later] = body.tee()
    this.#body = later
    return now
  }

  /** What the gateway gets: the headers of the instance and the signature over what they say. */
  #signed(target: string, headers: readonly string[], decision: Decision): string[] {
    const { user, instance, version, requestId } = decision
    const asserted = {
      method: this.method,
      ...splitTarget(target),
      forwardedHost: valueOf(headers, 'X-Forwarded-Host')!,
      decision: { user, instance, version, requestId },
    }
    const signature = this.#forwarding.signer.sign(asserted, decision.host)
    // The platform sets Host by the URL that is fetched; the true one travels in X-Forwarded-Host.
    const list = without(headers, 'host')
    list.push('Mux-Version', String(version), ...Object.entries(signature).flat())
    list.push(EDGE_HEADER, this.#forwarding.signer.edge)
    if (this.upgrade) list.push('Upgrade', 'websocket')
    return list
  }

  /** @throws {Problem} when the host gives no answer of its own */
  async #ask(origin: string, target: string, headers: readonly string[], host: HostName): Promise<Response> {
    const { doors, log } = this.#forwarding
    try {
      const door = doorTo(origin, doors)
      if (door === undefined) throw new Error(`${origin} leads nowhere from here`)
      const { fetcher, base } = door
      const asked = (fetcher ?? globalThis).fetch(base + target, {
        method: this.method,
        headers: headersOf(door.headers.length === 0 ? headers : [...headers, ...door.headers]),
        body: this.#takeBody(),
        redirect: 'manual',
        // One user's answer in the platform's cache would be the next one's.
        cache: 'no-store',
      })
      const answer = await whileReached(asked, HEADERS_TIMEOUT, () => touch(door))
      // What Cloudflare says itself when it does not reach a host. An answer of the host never has these.
      if (answer.status < 520 || answer.status > 530) return answer
      log({ event: 'host_unreachable', request_id: this.requestId, host, status: answer.status })
      await answer.body?.cancel()
      throw new Problem(
        [522, 524].includes(answer.status) ? 'instance_response_timeout' : 'instance_unreachable',
      )
    } catch (error) {
      if (error instanceof Problem) throw error
      log({ event: 'host_unreachable', request_id: this.requestId, host, error })
      throw new Problem(error instanceof OutOfTime ? 'instance_response_timeout' : 'instance_unreachable', {
        cause: error,
      })
    }
  }
}

/**
 * A connection to the machine of an origin, closed as soon as it is there. Where the platform allows none, to its own
 * addresses, it says so at once; what is behind those, and behind a binding, it watches itself (status 522).
 */
async function touch({ fetcher, base }: HostDoor): Promise<void> {
  if (fetcher !== undefined) return
  const { hostname, port, protocol } = new URL(base)
  const socket = connect(`${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`)
  await socket.opened
  await socket.close()
}

/** A problem of the gateway, to be answered in the form that fits this client. */
async function readProblem(answer: Response, code: string): Promise<Problem> {
  const document: unknown = await answer.json().catch(() => undefined)
  if (!(code in PROBLEMS))
    return new Problem('internal', { cause: new Error(`the gateway answered ${code}`) })
  const detail =
    typeof document === 'object' && document !== null && 'detail' in document ? document.detail : undefined
  const retryAfter = Number(answer.headers.get('retry-after') ?? Number.NaN)
  return new Problem(code as ProblemCode, {
    ...(typeof detail === 'string' ? { detail } : {}),
    ...(Number.isFinite(retryAfter) ? { retryAfter } : {}),
  })
}

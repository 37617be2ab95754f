import { LOCAL_ORIGIN, Problem, PROBLEMS, splitTarget, type Decision, type ProblemCode } from '@mux/contract'
import type { DecidedRequest, Exchange } from './forward.ts'
import type { Log } from './log-event.ts'
import type { DecisionSigner } from './sign-decision.ts'

/**
 * How long the gateway may take to begin its answer, in milliseconds. Longer than any host should hold a request; once
 * the answer has begun it may take as long as it moves.
 */
const HEADERS_TIMEOUT = 300_000

export interface GatewayForwarding {
  signer: DecisionSigner
  log: Log
}

/** A request as workerd took it, to be answered by the gateway of the host that holds the instance. */
export class WorkerExchange implements Exchange {
  readonly requestId = crypto.randomUUID()
  readonly target: string
  readonly scheme: 'http' | 'https'
  readonly rawHeaders: readonly string[]
  readonly upgrade: boolean
  readonly #request: Request
  readonly #forwarding: GatewayForwarding

  constructor(request: Request, forwarding: GatewayForwarding) {
    const { url } = request
    this.#request = request
    this.#forwarding = forwarding
    // Not of the parsed URL: its path and query lose a question mark with nothing behind it, its origin a default port.
    this.target = url.slice(url.indexOf('/', url.indexOf('://') + 3))
    this.scheme = url.startsWith('https:') ? 'https' : 'http'
    this.rawHeaders = rawList(request.headers)
    this.upgrade = request.headers.has('upgrade')
  }

  get method(): string {
    return this.#request.method
  }

  get peer(): string {
    return this.header('cf-connecting-ip') ?? 'unknown'
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
  }

  askForBody(): void {
    // The platform has settled that with the client.
  }

  async forward({ decision, origin, headers, answerHeaders }: DecidedRequest): Promise<Response> {
    if (origin === LOCAL_ORIGIN) throw new Problem('instance_undefined')
    const answer = await this.#ask(origin, await this.#signed(headers, decision), decision)
    const code = answer.headers.get('mux-problem')
    if (code !== null) throw await readProblem(answer, code)
    const kept = headersOf(answerHeaders(rawList(answer.headers)))
    if (answer.webSocket !== null) {
      return new Response(null, { status: 101, webSocket: answer.webSocket, headers: kept })
    }
    return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers: kept })
  }

  async #signed(list: readonly string[], decision: Decision): Promise<Headers> {
    // The platform sets Host by the URL that is fetched; the true one travels in X-Forwarded-Host.
    const headers = headersOf(list)
    headers.delete('host')
    const { user, instance, version, requestId } = decision
    headers.set('Mux-Version', String(version))
    const asserted = {
      method: this.method,
      ...splitTarget(this.target),
      forwardedHost: headers.get('x-forwarded-host')!,
      decision: { user, instance, version, requestId },
    }
    const signature = await this.#forwarding.signer.sign(asserted, decision.host)
    for (const [name, value] of Object.entries(signature)) headers.set(name, value)
    if (this.upgrade) headers.set('Upgrade', 'websocket')
    return headers
  }

  /** @throws {Problem} when the host gives no answer of its own */
  async #ask(origin: string, headers: Headers, { host }: Decision): Promise<Response> {
    const { log } = this.#forwarding
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), HEADERS_TIMEOUT)
    try {
      const answer = await fetch(origin + this.target, {
        method: this.method,
        headers,
        body: this.#request.body,
        redirect: 'manual',
        // One user's answer in the platform's cache would be the next one's.
        cache: 'no-store',
        signal: late.signal,
      })
      // What Cloudflare says itself when it does not reach a host. An answer of the host never has these.
      if (answer.status < 520 || answer.status > 530) return answer
      log({ event: 'host_unreachable', request_id: this.requestId, host, status: answer.status })
      await answer.body?.cancel()
      throw new Problem(
        [522, 524].includes(answer.status) ? 'instance_start_timeout' : 'instance_unreachable',
      )
    } catch (error) {
      if (error instanceof Problem) throw error
      log({ event: 'host_unreachable', request_id: this.requestId, host, error })
      throw new Problem(late.signal.aborted ? 'instance_start_timeout' : 'instance_unreachable', {
        cause: error,
      })
    } finally {
      clearTimeout(timer)
    }
  }
}

/** One at a time: workerd takes a list of pairs for four times as long, some 50 µs for ten. */
function headersOf(rawList: readonly string[]): Headers {
  const headers = new Headers()
  rawList.forEach((value, i) => {
    const name = rawList[i - 1]
    if (name !== undefined && i % 2 === 1) headers.append(name, value)
  })
  return headers
}

/** Names and values in turn; each `Set-Cookie` by itself. */
function rawList(headers: Headers): string[] {
  const list: string[] = []
  headers.forEach((value, name) => list.push(name, value))
  return list
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

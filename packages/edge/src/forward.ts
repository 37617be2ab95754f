import type { Decision } from '@mux/contract'
import type { PlatformAccess } from './access.ts'
import type { Standing } from './authenticate.ts'

/** One decided request, ready for the host that holds its instance. */
export interface DecidedRequest {
  decision: Decision
  /** Origin of the gateway of `decision.host`; in the embedded edge that host is this process. */
  origin: string
  /** What the instance receives: names and values in turn, complete but for `Connection` and the framing of the body. */
  headers: string[]
  /** True when a person's browser opens a page by this request. */
  navigation: boolean
  /** How it stands with whoever it is in the name of; absent when it is in nobody's. */
  standing: (() => Promise<Standing>) | undefined
  /** What the client receives of an answer's header list, names and values in turn. */
  answerHeaders: (rawHeaders: readonly string[]) => string[]
}

/** One request as Node or workerd took it: what the chain reads of it, and the one way to hand it on. */
export interface Exchange {
  /** Made by the edge for this request, and for nothing else. */
  readonly requestId: string
  readonly method: string
  /** Such as `1.1`; where a platform has settled the framing, `1.1`. */
  readonly httpVersion: string
  /** The request target, byte for byte as it came. */
  readonly target: string
  /** Names and values in turn, in the order in which they came. */
  readonly rawHeaders: readonly string[]
  /** Address of the client, without a port. */
  readonly peer: string
  readonly scheme: 'http' | 'https'
  /** True when the connection is to become something else than HTTP. */
  readonly upgrade: boolean
  /** True once there is nobody to be answered any more; absent where a platform does not say so. */
  readonly isGone?: boolean
  /** Where Cloudflare Access has let the request in, and the platform says so. */
  readonly access?: PlatformAccess | undefined
  /** The first value of a header by its lower-case name. */
  header(name: string): string | undefined
  /** Tells a client that waits for it (`Expect: 100-continue`) to send the body. */
  askForBody(): void
  /**
   * Hands the request on. Resolves to the answer, or to the sign that it has been written already.
   * @throws {Problem} before anything has been written, and never after; an `Outdated` when the host knows better, after which
   *   the request can be handed on once more
   */
  forward(request: DecidedRequest): Promise<Response>
}

/** All values of a header, one per line that came. */
export function headerValues(rawHeaders: readonly string[], lowerName: string): string[] {
  const values: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) values.push(rawHeaders[i + 1]!)
  }
  return values
}

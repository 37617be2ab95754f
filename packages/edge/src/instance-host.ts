import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Decision } from '@mux/contract'

/** One decided request, as the embedded edge hands it to the host in the same process. */
export interface ForwardOrder {
  decision: Decision
  /** The request target, byte for byte as the client sent it. */
  target: string
  /** What the instance receives: names and values in turn, complete but for `Connection` and the framing of the body. */
  headers: string[]
  /** True when the client is a person's browser opening a page, which need not be held as long as an API client. */
  navigation: boolean
  /** Filters the header list of the instance's answer, names and values in turn, before it goes to the client. */
  answerHeaders: (rawHeaders: readonly string[]) => string[]
  /** Aborted when the user may no longer have the WebSocket: both sides of it are closed. */
  revoked?: AbortSignal
}

/**
 * The port behind which instances run in the embedded edge. Both methods write the instance's answer straight to the
 * client's socket and settle when the exchange is over.
 * @throws {Problem} before anything has been written, and never after; then the edge answers.
 */
export interface InstanceHost {
  request(incoming: IncomingMessage, outgoing: ServerResponse, order: ForwardOrder): Promise<void>
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer, order: ForwardOrder): Promise<void>
}

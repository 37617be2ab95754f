import { type Dispatcher, errors, type Pool } from 'undici'
import { OddAnswer, type Receiver, type UpstreamRequest } from './upstream.ts'

/**
 * Sends a request on a kept connection of a generation. Not for a chunked body: the pool cannot send trailers, and
 * sends the head only with the first chunk, which a client that waits for the answer's head may never send.
 */
export function sendPooled(pool: Pool, request: UpstreamRequest, receiver: Receiver): void {
  const { method, target, length, body, responseLimit } = request
  const headers = length === undefined ? request.headers : [...request.headers, 'content-length', length]
  const handler = new PooledAnswer(receiver, responseLimit)
  const headersTimeout = responseLimit ?? 0
  pool.dispatch({ method, path: target, headers: headers as string[], body, headersTimeout }, handler)
}

class PooledAnswer implements Dispatcher.DispatchHandler {
  readonly #receiver: Receiver
  readonly #limit: number | null
  /** When the first of the answers came that announce another, on the monotonic clock. */
  #announcedAt: number | undefined

  constructor(receiver: Receiver, limit: number | null) {
    this.#receiver = receiver
    this.#limit = limit
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#receiver.sending(controller)
  }

  onResponseStarted(): void {
    this.#receiver.answering()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    reason = '',
  ): void {
    if (status === 101 || status < 100) throw new OddAnswer(`the instance answered ${status}`)
    if (status < 200) return this.#announced()
    this.#receiver.head(status, bytesOf(reason), texts(controller.rawHeaders))
  }

  /** Each of them winds up the pool's timer again, so that an instance which never stops would be waited for without end. */
  #announced(): void {
    const now = performance.now()
    this.#announcedAt ??= now
    if (this.#limit !== null && now - this.#announcedAt > this.#limit)
      throw new errors.HeadersTimeoutError('the instance went on announcing an answer')
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#receiver.data(chunk)) controller.pause()
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.#receiver.ended(texts(controller.rawTrailers))
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#receiver.failed(error)
  }
}

/** The pool takes a reason for UTF-8; what is written of it are the bytes that came. */
function bytesOf(reason: string): string {
  return Buffer.from(reason).toString('latin1')
}

/** Latin-1, so that every byte of a header comes out as it went in. */
function texts(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  return Array.isArray(raw)
    ? raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
    : []
}

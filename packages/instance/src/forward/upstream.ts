import type { RequestBody } from './request-body.ts'

/** A request as it goes to a generation. */
export interface UpstreamRequest {
  method: string
  target: string
  /** Names and values in turn, complete but for `Connection` and the framing of the body. */
  headers: readonly string[]
  body: RequestBody | null
  /** Value of Content-Length; undefined with a body: chunked. */
  length: string | undefined
  /** See `Lease.responseLimit`. */
  responseLimit: number | null
  /** The trailers to send; asked when the body is at its end. */
  trailers: () => [string, string][]
}

/** What a generation's answer is told to, in this order; after `ended` or `failed` there is nothing more. */
export interface Receiver {
  /** The request is being written now; it may still fail without having been seen. */
  sending(upstream: Upstream): void
  /** The first byte of an answer is here. */
  answering(): void
  /** The head of the final answer. Header bytes are Latin-1 characters. Throwing abandons the exchange. */
  head(status: number, reason: string, rawHeaders: string[]): void
  /** False when no more is wanted until {@link Upstream.resume}. */
  data(chunk: Buffer): boolean
  ended(rawTrailers: string[]): void
  failed(error: Error): void
}

/** The hold that a receiver has on the exchange that it hears of. */
export interface Upstream {
  /** Ends the exchange and its connection now; `failed` follows. */
  abort(reason: Error): void
  pause(): void
  resume(): void
}

/** The instance broke the protocol. */
export class OddAnswer extends Error {
  override readonly name = 'OddAnswer'
}

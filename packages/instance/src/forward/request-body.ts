import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { Problem } from '@mux/contract'
import { OddAnswer } from './upstream.ts'

/**
 * How long the rest of a body is read and thrown away that nobody wants any more, in milliseconds. An answer that came
 * before the end of its request is lost to many clients when the connection closes under their upload.
 */
const DISCARD_LIMIT = 30_000

/** How much of a body has to come in its time, in bytes, unless that is all of the rest: a byte now and then holds an instance as well. */
const LEAST = 1024

/** The client has left: nobody is there to be answered. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/**
 * The body of a client's request, to be consumed by whatever sends it on. Destroying it leaves the client's connection
 * alone, which the answer still needs; the rest of the body is then discarded for a bounded time.
 */
export class RequestBody extends Readable {
  readonly #incoming: IncomingMessage
  /** Of the client before the answer, of the instance after; undefined once nothing is waited for. */
  #silence: NodeJS.Timeout | undefined
  #isAnswered = false
  /** Bytes that have come since its time began. */
  #came = 0

  /** @param silence milliseconds in which {@link LEAST} of it has to come, while somebody wants it and has not answered yet */
  constructor(incoming: IncomingMessage, silence: number) {
    super()
    this.#incoming = incoming
    this.#silence = setTimeout(() => this.#onSilence(), silence)
    // Listening to `data` would start the flow before anybody asks for it.
    incoming.pause()
    incoming.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('error', ignore)
    this.on('error', ignore)
  }

  /**
   * An answer has begun: the rest may come when it likes.
   * @param patience milliseconds in which the instance, where it says nothing, has to take something of what waits for it:
   *   nothing is read meanwhile of the client, not even that it has left. Null: none
   */
  answered(patience: number | null): void {
    if (this.#silence === undefined) return
    this.#isAnswered = true
    this.#stopWaiting()
    if (patience !== null) this.#silence = setTimeout(() => this.#onSilence(), patience)
  }

  /** The instance has said something of its answer. */
  heard(): void {
    this.#silence?.refresh()
  }

  override _read(): void {
    // Until now it was the instance who was slow.
    if (this.#isAnswered || this.#incoming.isPaused()) this.#begin()
    this.#incoming.resume()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stopWaiting()
    const incoming = this.#incoming
    incoming.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    if (!incoming.destroyed) discardRest(incoming)
    done(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#came += chunk.length
    if (this.#isAnswered || this.#came >= LEAST) this.#begin()
    if (!this.push(chunk)) this.#incoming.pause()
  }
  readonly #onEnd = (): void => {
    this.#stopWaiting()
    this.push(null)
  }
  #onSilence(): void {
    // While it is paused, it is the instance who is slow; else it is the client.
    if (this.#incoming.isPaused() !== this.#isAnswered) this.#silence?.refresh()
    else
      this.destroy(
        this.#isAnswered
          ? new OddAnswer('the instance takes nothing of the request that it is answering')
          : new Problem('request_timeout'),
      )
  }
  #begin(): void {
    this.#came = 0
    this.#silence?.refresh()
  }
  #stopWaiting(): void {
    clearTimeout(this.#silence)
    this.#silence = undefined
  }
  readonly #onClose = (): void => {
    if (!this.#incoming.complete) this.destroy(new ClientGone('the client left in the middle of its request'))
  }
}

/** Reads what is left of a request's body, for a bounded time, and throws it away; what it has no use for is not kept. */
export function discardRest(incoming: IncomingMessage): void {
  if (incoming.complete) {
    incoming.resume()
    return
  }
  const { socket } = incoming
  const limit = setTimeout(() => socket.destroy(), DISCARD_LIMIT)
  const done = () => {
    clearTimeout(limit)
    socket.off('close', done)
  }
  incoming.once('end', done)
  // Not the request's own `close`: a request that has been answered is not told when its connection closes.
  socket.once('close', done)
  incoming.resume()
}

/** Breaking off is reported by `close`; without a listener, an `error` that comes late would end the process. */
function ignore(): void {}

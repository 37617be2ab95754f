import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { exitPayload, type Frame, FRAME_INTERVAL, FRAME_MAX, frameHead } from '@mux/contract'

/** The answer to a command: what it says, in frames, no faster than its reader takes them. */
export class CommandOutput {
  readonly #outgoing: ServerResponse
  readonly #closed: Promise<unknown>
  #lastFrame = performance.now()

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing
    this.#closed = once(outgoing, 'close')
    outgoing.shouldKeepAlive = false
    outgoing.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Cache-Control': 'no-store',
      // nginx, for one, would keep the lines of a log until it has a page of them.
      'X-Accel-Buffering': 'no',
    })
    outgoing.flushHeaders()
    const look = setInterval(() => this.#showLife(), FRAME_INTERVAL / 3)
    outgoing.once('close', () => clearInterval(look))
  }

  /** Passes one stream on to its end. What comes when the reader has gone is thrown away. */
  async pass(kind: 'stdout' | 'stderr', stream: Readable): Promise<void> {
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        for (let at = 0; at < chunk.length; at += FRAME_MAX)
          await this.#write(kind, chunk.subarray(at, at + FRAME_MAX))
      }
    } catch {
      // It was cut off with the command: the exit says so.
    }
  }

  end(code: number): void {
    if (this.#outgoing.destroyed) return
    void this.#write('exit', exitPayload(code))
    this.#outgoing.end()
  }

  async #write(kind: Frame['kind'], payload: Uint8Array): Promise<void> {
    const outgoing = this.#outgoing
    if (outgoing.destroyed) return
    this.#lastFrame = performance.now()
    outgoing.write(frameHead(kind, payload.length))
    if (!outgoing.write(payload)) await Promise.race([once(outgoing, 'drain'), this.#closed])
  }

  #showLife(): void {
    const isDue = performance.now() - this.#lastFrame >= FRAME_INTERVAL / 2
    if (isDue && !this.#outgoing.writableEnded) void this.#write('stdout', new Uint8Array())
  }
}

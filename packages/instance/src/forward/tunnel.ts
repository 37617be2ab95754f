import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { FrameCursor } from './frame-cursor.ts'

/** How long one side may go on after the other has ended, in milliseconds. */
const HALF_CLOSED_LIMIT = 30_000
/** How long a client has to take its leave when we end the tunnel, in milliseconds. */
const GOODBYE_LIMIT = 2_000
/** Close frames (RFC 6455 section 5.5.1): 1012, "service restart" (the IANA registry of close codes). */
const SERVICE_RESTART = Buffer.from([0x88, 0x02, 0x03, 0xf4])
/** 1008, "policy violation" (RFC 6455 section 7.4.1). */
const POLICY_VIOLATION = Buffer.from([0x88, 0x02, 0x03, 0xf0])

/** Two connections that speak WebSocket, joined. */
export class Tunnel {
  readonly #client: Duplex
  readonly #upstream: Socket
  readonly #ended: AbortSignal
  readonly #revoked: AbortSignal | undefined
  readonly #patience: number | null
  readonly #cursor = new FrameCursor()
  #leaving = false
  #goodbye: Buffer = SERVICE_RESTART
  #limit: NodeJS.Timeout | undefined

  /**
   * Both connections are listened to for their errors by whoever opened them.
   * @param ended when aborted, the client is told 1012 and both connections are closed
   * @param revoked likewise, with 1008
   * @param patience milliseconds in which the instance, where it says nothing, has to take something of what waits for
   *   it; then both connections are closed: nothing is read meanwhile of a client, not even that it has left. Null: none
   */
  constructor(
    client: Duplex,
    upstream: Socket,
    {
      ended,
      revoked,
      patience,
    }: { ended: AbortSignal; revoked: AbortSignal | undefined; patience: number | null },
  ) {
    this.#client = client
    this.#upstream = upstream
    this.#ended = ended
    this.#revoked = revoked
    this.#patience = patience
  }

  /**
   * Passes bytes both ways, ends and backpressure included, until both connections are closed; never rejects.
   * @param clientHead what came from the client already; `upstreamHead` likewise
   */
  async join(clientHead: Buffer, upstreamHead: Buffer): Promise<void> {
    const client = this.#client
    const upstream = this.#upstream
    const closed = Promise.all([whenClosed(client), whenClosed(upstream)])
    client.once('end', () => this.#expire(HALF_CLOSED_LIMIT))
    client.once('close', this.#onClientClose)
    upstream.once('close', this.#onUpstreamClose)
    upstream.on('data', this.#onUpstreamData)
    upstream.on('end', this.#onUpstreamEnd)
    client.on('drain', () => upstream.resume())
    if (this.#patience !== null) upstream.setTimeout(this.#patience, this.#onSilence)
    if (upstreamHead.length > 0) this.#onUpstreamData(upstreamHead)
    if (clientHead.length > 0) upstream.write(clientHead)
    client.pipe(upstream)
    if (upstream.closed) this.#onUpstreamClose()
    const end = () => this.#leave(SERVICE_RESTART)
    const revoke = () => this.#leave(POLICY_VIOLATION)
    this.#ended.addEventListener('abort', end, { once: true })
    this.#revoked?.addEventListener('abort', revoke, { once: true })
    if (this.#ended.aborted) end()
    if (this.#revoked?.aborted) revoke()
    await closed
    this.#ended.removeEventListener('abort', end)
    this.#revoked?.removeEventListener('abort', revoke)
    clearTimeout(this.#limit)
  }

  readonly #onUpstreamData = (chunk: Buffer): void => {
    let end = 0
    do end = this.#cursor.advance(chunk, end)
    while (end < chunk.length && !this.#leaving)
    if (!this.#client.write(chunk.subarray(0, end))) this.#upstream.pause()
    if (this.#leaving && this.#cursor.between) this.#sayGoodbye()
  }

  readonly #onSilence = (): void => {
    if (this.#upstream.writableLength === 0) return
    this.#client.destroy()
    this.#upstream.destroy()
  }

  readonly #onUpstreamEnd = (): void => {
    this.#client.end()
    this.#expire(HALF_CLOSED_LIMIT)
  }

  /** A Close frame in the middle of another one would be taken for a part of that: it waits for the frame's end. */
  #leave(goodbye: Buffer): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#goodbye = goodbye
    this.#expire(GOODBYE_LIMIT)
    if (this.#cursor.between) this.#sayGoodbye()
  }

  #sayGoodbye(): void {
    this.#upstream.off('data', this.#onUpstreamData).off('end', this.#onUpstreamEnd)
    this.#client.unpipe(this.#upstream)
    this.#upstream.destroy()
    this.#endClient(this.#goodbye)
  }

  #endClient(last?: Buffer): void {
    this.#client.end(last)
    // What it still sends is of no use, but behind it comes the end that closes the connection.
    this.#client.resume()
  }

  // One side is closed: what is on its way to the other may still get there.
  readonly #onClientClose = (): void => {
    this.#upstream.destroySoon()
    this.#expire(HALF_CLOSED_LIMIT)
  }
  readonly #onUpstreamClose = (): void => {
    if (this.#leaving) return
    this.#client.unpipe(this.#upstream)
    this.#endClient()
    this.#expire(HALF_CLOSED_LIMIT)
  }

  #expire(limit: number): void {
    clearTimeout(this.#limit)
    this.#limit = setTimeout(() => {
      this.#client.destroy()
      this.#upstream.destroy()
    }, limit)
  }
}

function whenClosed(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve()
    else stream.once('close', () => resolve())
  })
}

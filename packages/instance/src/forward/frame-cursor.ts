/**
 * Follows a stream of WebSocket frames (RFC 6455 section 5.2) just far enough to tell where one ends: between two
 * frames, and nowhere else, a frame of our own may be put into the stream.
 */
export class FrameCursor {
  #header: number[] = []
  #payloadLeft = 0

  /** True at the end of a frame, and at the beginning of the stream. */
  get between(): boolean {
    return this.#payloadLeft === 0 && this.#header.length === 0
  }

  /** Takes in bytes from `start` on, up to the end of a frame or of the chunk; returns the offset behind the last. */
  advance(chunk: Uint8Array, start: number): number {
    let at = start
    while (at < chunk.length) {
      if (this.#payloadLeft === 0) {
        this.#header.push(chunk[at++]!)
        if (this.#header.length < headerLength(this.#header)) continue
        this.#payloadLeft = payloadLength(this.#header)
        this.#header = []
      } else {
        const taken = Math.min(this.#payloadLeft, chunk.length - at)
        this.#payloadLeft -= taken
        at += taken
      }
      if (this.between) break
    }
    return at
  }
}

/** The length of a frame's header as far as its first bytes tell. */
function headerLength([, second]: readonly number[]): number {
  if (second === undefined) return 2
  const length = second & 0x7f
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & 0x80 ? 4 : 0)
}

function payloadLength(header: readonly number[]): number {
  const length = header[1]! & 0x7f
  if (length < 126) return length
  return header.slice(2, length === 126 ? 4 : 10).reduce((sum, byte) => sum * 256 + byte, 0)
}

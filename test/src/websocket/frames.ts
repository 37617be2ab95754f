import { createHash } from 'node:crypto'

/** RFC 6455 section 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
const NAMES = new Map<number, string>(Object.entries(OPCODE).map(([name, opcode]) => [opcode, name]))

export interface FrameOptions {
  /** Whether it is the last of its message; true if absent. */
  fin?: boolean
  /** The three reserved bits, 0 to 7. */
  reserved?: number
  /** What hides the payload; null for none at all, as only a server may send. */
  mask?: Buffer | null
  /** Bytes in which the length is written, where not the fewest. */
  lengthBytes?: 2 | 8
  /** The length that it says to have, where that is not the true one. */
  length?: bigint
}

/** The same in every run, so that two transcripts can be compared. A mask of zeros costs nothing to put on. */
const MASK = Buffer.from('37fa213d', 'hex')
export const NO_WORK = Buffer.alloc(4)

export function frame(opcode: number, payload: Buffer | string = '', options: FrameOptions = {}): Buffer {
  const body = Buffer.from(payload)
  const { fin = true, reserved = 0, mask = body.length > 100_000 ? NO_WORK : MASK } = options
  const length = options.length ?? BigInt(body.length)
  const lengthBytes = options.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8)
  const head = Buffer.alloc(2 + lengthBytes)
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode
  head[1] = (mask ? 0x80 : 0) | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) head.writeUInt16BE(Number(length), 2)
  if (lengthBytes === 8) head.writeBigUInt64BE(length, 2)
  if (mask === null) return Buffer.concat([head, body])
  if (mask !== NO_WORK) for (let at = 0; at < body.length; at++) body[at]! ^= mask[at % 4]!
  return Buffer.concat([head, mask, body])
}

/** The payload of a Close frame (RFC 6455 section 5.5.1). */
export function closing(code: number, reason: Buffer | string = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)])
}

/** Takes frames of a server out of what has come, and says each in words. */
export class FrameReader {
  #chunks: Buffer[] = []
  #length = 0
  #needed = 2

  /** @returns what each frame is that has come whole with this chunk; of one that closes, its code as well */
  read(chunk: Buffer): { said: string; closes?: number }[] {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    const frames: { said: string; closes?: number }[] = []
    while (this.#length >= this.#needed) {
      // Not of one alone, which would be copied for each of a thousand frames in it.
      const data = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
      const size = sizeOf(data)
      this.#needed = size
      this.#chunks = [data]
      if (data.length < size) continue
      frames.push(told(data.subarray(0, size)))
      this.#chunks = [data.subarray(size)]
      this.#length = data.length - size
      this.#needed = 2
    }
    return frames
  }

  /** What has come of a frame that is not whole. */
  get rest(): string {
    return Buffer.concat(this.#chunks).toString('hex')
  }
}

/** The bytes that a frame has, or that are needed to know that. */
function sizeOf(data: Buffer): number {
  const short = data[1]! & 127
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
  const head = 2 + lengthBytes + (data[1]! & 128 ? 4 : 0)
  if (data.length < head) return head
  if (lengthBytes === 0) return head + short
  return head + (lengthBytes === 2 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2)))
}

function told(data: Buffer): { said: string; closes?: number } {
  const opcode = data[0]! & 15
  const reserved = (data[0]! >> 4) & 7
  const short = data[1]! & 127
  const isMasked = (data[1]! & 128) !== 0
  const payload = data.subarray(2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (isMasked ? 4 : 0))
  const words = [NAMES.get(opcode) ?? `opcode ${opcode}`, `of ${payload.length}`]
  if ((data[0]! & 128) === 0) words.push('to go on')
  if (reserved !== 0) words.push(`reserved ${reserved}`)
  if (isMasked) words.push('masked')
  words.push(payload.length > 64 ? createHash('sha1').update(payload).digest('hex') : payload.toString('hex'))
  const said = words.join(' ')
  if (opcode !== OPCODE.close) return { said }
  return { said, closes: payload.length < 2 ? 1005 : payload.readUInt16BE() }
}

import * as v from 'valibot'
import { CONTROL_MAX_BODY, ControlError, GarbledReply } from './control.ts'

/**
 * Where the gateway of a host runs a command of mux. The body of the request is a {@link encodeCommand} and, behind it,
 * what the command reads from its standard input; the answer is a series of frames. What is not carried out is answered
 * as an order is.
 */
export const COMMAND_PATH = '/_mux/control/command'
/** The longest description of a command, in bytes. */
export const COMMAND_MAX_HEAD = CONTROL_MAX_BODY
/** The longest payload of a frame, in bytes. */
export const FRAME_MAX = 1024 * 1024
/** An empty frame of standard output comes at least so often, in milliseconds: the command is alive, and so is the way. */
export const FRAME_INTERVAL = 15_000

const command = v.strictObject({
  v: v.literal(1),
  /** What stands behind `mux`. No program can be given a zero. */
  args: v.pipe(v.array(v.pipe(v.string(), v.excludes('\0'))), v.minLength(1), v.maxLength(1_000)),
  /** The width of the terminal that it is shown on. */
  columns: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000))),
})

export type RemoteCommand = Omit<v.InferOutput<typeof command>, 'v'>

/** The kinds of frames. */
export const FRAME = { stdout: 1, stderr: 2, exit: 3 } as const

export type Frame =
  | { kind: 'stdout' | 'stderr'; payload: Uint8Array }
  /** The last one. A command that a signal ended has 128 and its number, as in a shell. */
  | { kind: 'exit'; code: number }

const LENGTH_BYTES = 4
const HEAD_BYTES = 1 + LENGTH_BYTES

/** `[4 bytes: length, big-endian][JSON, in ASCII]`. */
export function encodeCommand({ args, columns }: RemoteCommand): Uint8Array {
  const json = jsonBytes({ v: 1, args, columns })
  const bytes = new Uint8Array(LENGTH_BYTES + json.length)
  new DataView(bytes.buffer).setUint32(0, json.length)
  bytes.set(json, LENGTH_BYTES)
  return bytes
}

/**
 * @param start the body's first bytes: all of them, or as many as a command can take
 * @returns the command, and where in the body its standard input begins
 * @throws {ControlError} `control_request_invalid`
 */
export function decodeCommand(start: Uint8Array): { command: RemoteCommand; stdinAt: number } {
  const view = viewOf(start)
  const length = start.length < LENGTH_BYTES ? Infinity : view.getUint32(0)
  const stdinAt = LENGTH_BYTES + length
  if (length > COMMAND_MAX_HEAD || stdinAt > start.length) throw notUnderstood()
  const found = v.safeParse(command, parseJsonBytes(start.subarray(LENGTH_BYTES, stdinAt)))
  if (!found.success) throw notUnderstood()
  const { args, columns } = found.output
  return { command: columns === undefined ? { args } : { args, columns }, stdinAt }
}

/** What stands before the payload of a frame: `[1 byte: kind][4 bytes: length, big-endian]`. */
export function frameHead(kind: Frame['kind'], length: number): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES)
  head[0] = FRAME[kind]
  new DataView(head.buffer).setUint32(1, length)
  return head
}

/** The payload of the last frame. */
export function exitPayload(code: number): Uint8Array {
  return jsonBytes({ code })
}

const exit = v.object({ code: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)) })
const KINDS = new Map<number, Frame['kind']>(
  Object.entries(FRAME).map(([kind, byte]) => [byte, kind as Frame['kind']]),
)

/** Reads frames from pieces of any size. */
export class FrameDecoder {
  #rest: Uint8Array = new Uint8Array()
  #ended = false

  /** True from the last frame on: what breaks off before has not come whole. */
  get ended(): boolean {
    return this.#ended
  }

  /** @throws {GarbledReply} for what is no frame, and for anything behind the last one */
  push(piece: Uint8Array): Frame[] {
    const bytes = this.#rest.length === 0 ? piece : joined(this.#rest, piece)
    const view = viewOf(bytes)
    const frames: Frame[] = []
    let at = 0
    while (bytes.length - at >= HEAD_BYTES) {
      const kind = KINDS.get(bytes[at]!)
      const length = view.getUint32(at + 1)
      if (this.#ended || kind === undefined || length > FRAME_MAX) throw garbled()
      const end = at + HEAD_BYTES + length
      if (end > bytes.length) break
      frames.push(this.#frame(kind, bytes.subarray(at + HEAD_BYTES, end)))
      at = end
    }
    if (this.#ended && at < bytes.length) throw garbled()
    this.#rest = bytes.subarray(at)
    return frames
  }

  #frame(kind: Frame['kind'], payload: Uint8Array): Frame {
    if (kind !== 'exit') return { kind, payload }
    this.#ended = true
    const found = v.safeParse(exit, parseJsonBytes(payload))
    if (!found.success) throw garbled()
    return { kind, code: found.output.code }
  }
}

/** Escaped so far that a character is a byte: this package knows no encoder of a runtime. */
function jsonBytes(value: unknown): Uint8Array {
  const text = JSON.stringify(value).replace(/[^\0-\x7f]/g, escaped)
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** `undefined` for what is no JSON in ASCII. */
function parseJsonBytes(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0)).join(''))
  } catch {
    return undefined
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

function notUnderstood(): ControlError {
  return new ControlError('control_request_invalid', 'The command was not understood.', {
    hint: 'Use the same version of mux on both machines: mux --version',
  })
}

function garbled(): GarbledReply {
  return new GarbledReply('What came from the host is no output of a command.')
}

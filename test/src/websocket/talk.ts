import { connect, type NetConnectOpts } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FrameReader } from './frames.ts'

/** For one that has no end, in milliseconds. */
const LIMIT = 400_000

/** What a client does once it is connected. */
export interface Script {
  /** Path and query; `/echo` if absent. */
  target?: string
  /** Headers of the handshake, besides those without which there is none. */
  headers?: readonly string[]
  /** What is written, and no more behind it. */
  bytes: Buffer
  /** Bytes that are written at a time; all at once if absent. */
  chop?: number
  /** Writes it at once, with the handshake, before there is an answer. */
  early?: boolean
  /** Ends its side when all is written, instead of when a Close frame has come. */
  halfClose?: boolean
}

/** What came of it, from the answer to the handshake until the server has ended the connection. */
export interface Talk {
  /** A line each: what the handshake settled, the frames, and the end. */
  transcript: string[]
  /** The code of the server's Close frame, 1005 for one without, 1006 for none. */
  closed: number
}

/** Plays a script to whoever listens there. */
export function talk(where: NetConnectOpts, credentials: readonly string[], script: Script): Promise<Talk> {
  const {
    target = '/echo',
    headers = [],
    bytes,
    chop = bytes.length,
    early = false,
    halfClose = false,
  } = script
  const head = [
    `GET ${target} HTTP/1.1`,
    'Host: notes.example',
    ...credentials,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
    '\r\n',
  ].join('\r\n')

  return new Promise((resolve, reject) => {
    const socket = connect({ ...where, noDelay: true })
    const transcript: string[] = []
    const reader = new FrameReader()
    let answer = ''
    let closed = 1006
    const limit = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end within ${LIMIT} ms: ${transcript.join('; ')}`))
    }, LIMIT)

    const write = async () => {
      for (let at = 0; at < bytes.length && socket.writable; at += chop) {
        socket.write(bytes.subarray(at, at + chop))
        if (chop < bytes.length) await nextTurn()
      }
      if (halfClose) socket.end()
    }
    const onFrames = (chunk: Buffer) => {
      for (const { said, closes } of reader.read(chunk)) {
        transcript.push(said)
        if (closes === undefined) continue
        closed = closes
        socket.end()
      }
    }
    const onAnswer = (chunk: Buffer) => {
      answer += chunk.toString('latin1')
      const end = answer.indexOf('\r\n\r\n')
      if (end < 0) return
      transcript.push(settled(answer.slice(0, end)))
      if (!answer.startsWith('HTTP/1.1 101 ')) {
        socket.destroy()
        return
      }
      socket.off('data', onAnswer).on('data', onFrames)
      onFrames(Buffer.from(answer.slice(end + 4), 'latin1'))
      if (!early) void write()
    }
    socket.on('data', onAnswer)
    // An end and a reset are one: which it is says who was faster, and nothing of what was said.
    socket.on('error', () => {})
    socket.once('close', () => {
      clearTimeout(limit)
      if (answer === '') transcript.push('no answer')
      if (reader.rest !== '') transcript.push(`cut off: ${reader.rest}`)
      transcript.push('ended')
      resolve({ transcript, closed })
    })
    socket.write(early ? Buffer.concat([Buffer.from(head), bytes]) : head)
  })
}

/** The status, and what was settled of the protocol: parameters in any order, and without those that say what holds anyhow. */
function settled(head: string): string {
  const [status, ...lines] = head.split('\r\n')
  const ofProtocol = lines.filter((line) => /^sec-websocket-/i.test(line)).map(inOneOrder)
  return [status!.slice('HTTP/1.1 '.length, 'HTTP/1.1 101'.length), ...ofProtocol.toSorted()].join(', ')
}

/** A window of 15 bits is what there is without a word about it (RFC 7692 section 7.1.2). */
function inOneOrder(line: string): string {
  const [first, ...parameters] = line.toLowerCase().split('; ')
  return [first, ...parameters.filter((one) => !one.endsWith('_max_window_bits=15')).toSorted()].join('; ')
}

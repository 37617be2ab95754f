import { constants, deflateRawSync } from 'node:zlib'
import type { Case } from './cases.ts'
import { closing, frame, OPCODE } from './frames.ts'

const { continuation, text, close } = OPCODE
/** RSV1: the message is compressed (RFC 7692 section 6). */
const COMPRESSED = 4

/** What clients offer (RFC 7692 section 7.1), and which of the {@link OPTIONS} refuse it. */
const OFFERS: [string, number[]][] = [
  ['permessage-deflate', [2]],
  ['permessage-deflate; client_max_window_bits', []],
  ['permessage-deflate; client_max_window_bits=9; server_max_window_bits=9', [2]],
  ['permessage-deflate; server_no_context_takeover; client_no_context_takeover', [2]],
  ['permessage-deflate; client_max_window_bits=15; server_no_context_takeover', []],
  ['permessage-deflate; server_max_window_bits=8, permessage-deflate', [2]],
  ['permessage-deflate; unknown', [0, 1, 2]],
  ['x-webkit-deflate-frame', []],
]
const OPTIONS = [
  { threshold: 0 },
  { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  { threshold: 0, serverMaxWindowBits: 10, clientMaxWindowBits: 11 },
]
const SIZES = [0, 16, 1024, 131_072]

/** Messages under every parameter that can be settled, and what breaks its rules. */
export function compression(): Case[] {
  const cases: Case[] = []
  for (const [offer, refusedBy] of OFFERS) {
    for (const [at, options] of OPTIONS.entries()) {
      const takes = offer.includes('permessage-deflate')
      const messages = SIZES.map((size) =>
        takes ? compressed(Buffer.alloc(size, 'a bit of text, ')) : frame(text, Buffer.alloc(size, 'x')),
      )
      cases.push({
        ...under(offer, options, messages),
        closed: refusedBy.includes(at) ? 1006 : 1000,
        // Left out of what the instance is offered, so that it takes the WebSocket without compression.
        ...(offer.includes('unknown') ? { closedByPlatform: 1002 } : {}),
        title: `${offer}, ${JSON.stringify(options)}`,
      })
    }
  }
  const plain = OPTIONS[0]!
  const odd: [string, Buffer[], number][] = [
    ['a message that is not compressed', [frame(text, 'plain')], 1000],
    ['a compressed message in fragments', fragmented(), 1000],
    [
      'a compressed continuation',
      [frame(text, 'a', { fin: false }), frame(continuation, 'b', { reserved: 4 })],
      1002,
    ],
    ['a compressed ping', [frame(OPCODE.ping, 'p', { reserved: COMPRESSED })], 1002],
    ['what does not decompress', [frame(text, Buffer.from('ffffff', 'hex'), { reserved: COMPRESSED })], 1007],
    ['what decompresses to no UTF-8', [compressed(Buffer.from('c0af', 'hex'))], 1007],
  ]
  for (const [title, frames, closed] of odd)
    cases.push({ ...under('permessage-deflate', plain, frames), title, closed })
  return cases
}

function under(offer: string, options: object, frames: readonly Buffer[]) {
  return {
    target: `/echo?${encodeURIComponent(JSON.stringify(options))}`,
    headers: [`Sec-WebSocket-Extensions: ${offer}`],
    bytes: Buffer.concat([...frames, frame(close, closing(1000))]),
  }
}

/** RFC 7692 section 7.2.1; without what came before, so that it fits whatever was settled: 512 bytes of window. */
function deflated(payload: Buffer): Buffer {
  const bytes = deflateRawSync(payload, { windowBits: 9, finishFlush: constants.Z_SYNC_FLUSH })
  return payload.length === 0 ? Buffer.from([0]) : bytes.subarray(0, -4)
}

function compressed(payload: Buffer): Buffer {
  return frame(text, deflated(payload), { reserved: COMPRESSED })
}

function fragmented(): Buffer[] {
  const bytes = deflated(Buffer.alloc(1024, 'in fragments '))
  return [
    frame(text, bytes.subarray(0, 7), { fin: false, reserved: COMPRESSED }),
    frame(OPCODE.ping, 'between'),
    frame(continuation, bytes.subarray(7)),
  ]
}

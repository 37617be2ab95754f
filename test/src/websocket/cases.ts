import { closing, frame, type FrameOptions, NO_WORK, OPCODE } from './frames.ts'
import type { Script } from './talk.ts'

/** What a client says, and with which code the echo closes, by the library that it is: 1006 for without a Close frame. */
export interface Case extends Script {
  title: string
  closed: number
  /** What it is closed with behind a platform that settles this itself, and tells the instance what it understood. */
  closedByPlatform?: number
}

const { continuation, text, binary, close, ping, pong } = OPCODE
const KIB = 1024
const MIB = 1024 * KIB
const LENGTHS = [0, 1, 125, 126, 127, 128, 4096, 65_535, 65_536, 65_537]

/** Frames of a client that takes its leave, and waits for the other side to do so. */
function polite(title: string, frames: readonly Buffer[], closed = 1000, more: Partial<Script> = {}): Case {
  return { title, bytes: Buffer.concat([...frames, frame(close, closing(1000))]), closed, ...more }
}

const filled = (length: number) => Buffer.alloc(length, 'a bit of text, ')
const first = (opcode: number, payload: Buffer | string, more?: FrameOptions) =>
  frame(opcode, payload, { fin: false, ...more })

function lengths(): Case[] {
  const cases = LENGTHS.flatMap((length) =>
    (['text', 'binary'] as const).flatMap((kind) => [
      polite(`a ${kind} of ${length}`, [frame(OPCODE[kind], filled(length))]),
      polite(`a ${kind} of ${length} in pieces`, [frame(OPCODE[kind], filled(length))], 1000, {
        chop: length < 1000 ? 1 : 997,
      }),
    ]),
  )
  return [
    ...cases,
    polite('a length of two bytes that one would do for', [frame(text, 'abc', { lengthBytes: 2 })]),
    polite('a length of eight bytes that one would do for', [frame(text, 'abc', { lengthBytes: 8 })]),
    polite('a length beyond what a number holds', [frame(binary, 'abc', { length: 1n << 60n })], 1009),
    polite('a length with its highest bit set', [frame(binary, 'abc', { length: 1n << 63n })], 1009),
    polite(
      'a length beyond what the instance takes',
      [frame(binary, 'abc', { length: 101n * 1048576n })],
      1009,
    ),
    polite('a frame without a mask', [frame(text, 'abc', { mask: null })], 1002),
    polite('a frame with a mask of zeros', [frame(text, 'abc', { mask: NO_WORK })]),
    polite('nothing', []),
    polite(
      'messages that come with the handshake',
      [frame(text, 'soon'), frame(binary, filled(4096))],
      1000,
      {
        early: true,
      },
    ),
  ]
}

function pings(): Case[] {
  const odd = Buffer.from('00fffefdfcfbc0af', 'hex')
  return [
    ...[0, 1, 124, 125].flatMap((length) => [
      polite(`a ping of ${length}`, [frame(ping, filled(length))]),
      polite(`a ping of ${length}, byte by byte`, [frame(ping, filled(length))], 1000, { chop: 1 }),
      polite(`a pong of ${length} that nobody asked for`, [frame(pong, filled(length)), frame(text, 'x')]),
    ]),
    polite('a ping that is no text', [frame(ping, odd)]),
    polite('a ping of 126', [frame(ping, filled(126))], 1002),
    polite('a pong of 126', [frame(pong, filled(126))], 1002),
    polite(
      'ten pings',
      Array.from({ length: 10 }, (_, n) => frame(ping, `ping ${n}`)),
    ),
    polite('pings between messages', [
      frame(text, 'a'),
      frame(ping, '1'),
      frame(binary, 'b'),
      frame(ping, '2'),
    ]),
    polite('a ping in two frames', [first(ping, 'a'), frame(continuation, 'b')], 1002),
    polite('a pong in two frames', [first(pong, 'a'), frame(continuation, 'b')], 1002),
  ]
}

function reserved(): Case[] {
  const kinds = { text, binary, ping, pong, close }
  const bits = Object.entries(kinds).flatMap(([kind, opcode]) =>
    [1, 2, 3, 4, 5, 6, 7].map((bit) =>
      polite(
        `a ${kind} with the reserved bits ${bit}`,
        [frame(text, 'before'), frame(opcode, opcode === close ? closing(1000) : 'x', { reserved: bit })],
        1002,
      ),
    ),
  )
  const opcodes = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => [
    polite(`opcode ${opcode}`, [frame(opcode)], 1002),
    polite(`opcode ${opcode} with a payload, behind a message`, [frame(text, 'x'), frame(opcode, 'y')], 1002),
    polite(`opcode ${opcode} within a message`, [first(text, 'x'), frame(opcode, 'y')], 1002, { chop: 1 }),
  ])
  return [...bits, ...opcodes]
}

function fragments(): Case[] {
  const both = (title: string, frames: readonly Buffer[], closed = 1000) => [
    polite(title, frames, closed),
    polite(`${title}, byte by byte`, frames, closed, { chop: 1 }),
  ]
  const many = (opcode: number, size: number, of: number) => {
    const parts = Array.from({ length: Math.ceil(size / of) }, (_, n) =>
      frame(n === 0 ? opcode : continuation, filled(of), { fin: (n + 1) * of >= size }),
    )
    return polite(`${size} bytes in fragments of ${of}, opcode ${opcode}`, parts)
  }
  return [
    ...both('a text in two fragments', [first(text, 'one '), frame(continuation, 'two')]),
    ...both('a binary in three', [first(binary, 'a'), first(continuation, 'b'), frame(continuation, 'c')]),
    ...both('empty fragments', [first(text, ''), first(continuation, ''), frame(continuation, '')]),
    ...both('one fragment of three with something in it', [
      first(text, ''),
      first(continuation, 'x'),
      frame(continuation, ''),
    ]),
    ...both('a ping between fragments', [first(text, 'a'), frame(ping, 'p'), frame(continuation, 'b')]),
    ...both('a pong between fragments', [first(text, 'a'), frame(pong, 'p'), frame(continuation, 'b')]),
    ...both('pings between many fragments', [
      first(text, 'a'),
      frame(ping, '1'),
      first(continuation, 'b'),
      frame(ping, '2'),
      first(continuation, 'c'),
      frame(ping, '3'),
      frame(continuation, 'd'),
    ]),
    polite(
      'a close between fragments',
      [first(text, 'a'), frame(close, closing(1001)), frame(continuation, 'b')],
      1001,
    ),
    ...both('a continuation of nothing', [frame(continuation, 'x')], 1002),
    ...both('a continuation of nothing that goes on', [first(continuation, 'x')], 1002),
    ...both('a continuation behind a whole message', [frame(text, 'a'), frame(continuation, 'b')], 1002),
    ...both('a text within a text', [first(text, 'a'), frame(text, 'b')], 1002),
    ...both('a binary within a text', [first(text, 'a'), first(binary, 'b')], 1002),
    many(text, 64 * KIB, 64),
    many(binary, MIB, 4096),
    many(text, 4 * MIB, 64 * KIB),
    many(binary, 4 * MIB, MIB),
  ]
}

/** What RFC 3629 allows, at its edges. */
const VALID_TEXTS = [
  'κόσμε',
  '\u{0}',
  '\u{7f}',
  '\u{80}',
  '\u{7ff}',
  '\u{800}',
  '\u{d7ff}',
  '\u{e000}',
  '\u{fffd}',
].concat(['\u{ffff}', '\u{fffe}', '\u{10000}', '\u{1fffe}', '\u{10ffff}', '\u{10fffe}', 'a\u{301}\u{feff}z'])

/** Sequences that are not UTF-8, by what is wrong with them. */
function invalidTexts(): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  const add = (what: string, ...hex: string[]) => {
    for (const sequence of hex) found.set(`${what} ${sequence}`, Buffer.from(sequence, 'hex'))
  }
  add('a continuation alone', '80', 'bf', '80bf', '80bf80bf80bf80')
  add(
    'what no text has',
    'fe',
    'ff',
    'fefeffff',
    'f888808080',
    'f7bfbfbf',
    'fbbfbfbfbf',
    'fc8480808080',
    'fdbfbfbfbfbf',
  )
  add(
    'more bytes than needed',
    'c0af',
    'e080af',
    'f08080af',
    'c1bf',
    'e09fbf',
    'f08fbfbf',
    'c080',
    'e08080',
    'f0808080',
  )
  add(
    'a surrogate',
    'eda080',
    'edadbf',
    'edae80',
    'edafbf',
    'edb080',
    'edbe80',
    'edbfbf',
    'eda080edb080',
    'edafbfedbfbf',
  )
  add('beyond the last code point', 'f4908080', 'f5808080')
  for (const lead of [
    'c3',
    'df',
    'e1',
    'e180',
    'ef',
    'efbf',
    'f1',
    'f180',
    'f18080',
    'f4',
    'f48f',
    'f48fbf',
  ]) {
    add('an end in the middle', lead)
    add('a letter in the middle', `${lead}41`)
    add('another beginning in the middle', `${lead}c3a9`)
  }
  return found
}

function texts(): Case[] {
  const cases: Case[] = []
  for (const valid of VALID_TEXTS) {
    const bytes = Buffer.from(`before ${valid} behind`)
    const name = Array.from(valid, (letter) => letter.codePointAt(0)!.toString(16)).join(' ')
    cases.push(polite(`the text ${name}, byte by byte`, [frame(text, bytes)], 1000, { chop: 1 }))
    const parts = [...bytes].map((byte, at) =>
      frame(at === 0 ? text : continuation, Buffer.from([byte]), { fin: at === bytes.length - 1 }),
    )
    cases.push(polite(`the text ${name}, a fragment a byte`, parts))
    cases.push({ title: `${name} as a reason`, bytes: frame(close, closing(3000, bytes)), closed: 3000 })
  }
  for (const [name, bytes] of invalidTexts()) {
    const whole = Buffer.concat([Buffer.from('κόσμε '), bytes])
    cases.push(polite(`${name} in a text`, [frame(text, whole)], 1007))
    cases.push(polite(`${name} in a text, byte by byte`, [frame(text, whole)], 1007, { chop: 1 }))
    // Whether it is told before the end of the message is for the instance to say: the ping asks.
    const parts = [first(text, whole), frame(ping, 'still there?'), frame(continuation, ' behind')]
    cases.push(polite(`${name} in the first of two fragments`, parts, 1007))
    cases.push({ title: `${name} as a reason`, bytes: frame(close, closing(1000, whole)), closed: 1007 })
    cases.push(polite(`${name} in what is no text`, [frame(binary, bytes)]))
  }
  return cases
}

function closes(): Case[] {
  const said = (title: string, payload: Buffer, closed: number, more: Partial<Case> = {}): Case => ({
    title,
    bytes: frame(close, payload),
    closed,
    ...more,
  })
  const valid = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
  ]
  const invalid = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]
  const leave = frame(close, closing(1000))
  return [
    said('a close without a code', Buffer.alloc(0), 1005),
    said('a close of one byte', Buffer.from([3]), 1002),
    said('a close byte by byte', closing(1000, 'because'), 1000, { chop: 1 }),
    said('a close in two frames', closing(1000), 1002, { bytes: first(close, closing(1000)) }),
    ...valid.map((code) => said(`the code ${code}`, closing(code), code)),
    ...valid.map((code) => said(`the code ${code} with a reason`, closing(code, 'a reason'), code)),
    ...invalid.map((code) => said(`the code ${code}, which may not be sent`, closing(code), 1002)),
    ...invalid.map((code) => said(`the code ${code} with a reason`, closing(code, 'a reason'), 1002)),
    said('a reason of 123', closing(1000, filled(123)), 1000),
    said('a reason of 124', closing(1000, filled(124)), 1002),
    said('two closes', Buffer.alloc(0), 1000, { bytes: Buffer.concat([leave, frame(close, closing(1001))]) }),
    said('a message behind a close', Buffer.alloc(0), 1000, {
      bytes: Buffer.concat([leave, frame(text, 'x')]),
    }),
    said('a ping behind a close', Buffer.alloc(0), 1000, { bytes: Buffer.concat([leave, frame(ping, 'x')]) }),
    said('many bytes behind a close', Buffer.alloc(0), 1000, {
      bytes: Buffer.concat([frame(binary, filled(256 * KIB)), leave, Buffer.alloc(256 * KIB)]),
    }),
    said('an end without a close', Buffer.alloc(0), 1006, {
      bytes: frame(text, 'last words'),
      halfClose: true,
    }),
    said('an end at once', Buffer.alloc(0), 1006, { bytes: Buffer.alloc(0), halfClose: true }),
    said('an end within a frame', Buffer.alloc(0), 1006, {
      bytes: frame(text, 'cut').subarray(0, 7),
      halfClose: true,
    }),
    said('an end behind a close', closing(1000), 1000, { halfClose: true }),
    said('an instance that breaks off', Buffer.alloc(0), 1006, {
      target: '/terminate',
      bytes: Buffer.alloc(0),
    }),
  ]
}

/** What an instance may send that a library would not: it is for the client to judge. */
function fromInstance(): Case[] {
  const plain = (opcode: number, payload: Buffer | string = '', options: FrameOptions = {}) =>
    frame(opcode, payload, { mask: null, ...options })
  const leave = plain(close, closing(1000))
  const sent: [string, Buffer[], number][] = [
    ['a text', [plain(text, 'hello'), leave], 1000],
    [
      'fragments with a ping between',
      [plain(text, 'a', { fin: false }), plain(ping, 'p'), plain(0, 'b'), leave],
      1000,
    ],
    ['a pong that nobody asked for', [plain(pong, 'unasked'), leave], 1000],
    ['a close without a code', [plain(close)], 1005],
    ['a close with the code 1011 and a reason', [plain(close, closing(1011, 'out of order'))], 1011],
    ['a close with the code 4999', [plain(close, closing(4999))], 4999],
    ['reserved bits', [plain(text, 'x', { reserved: 7 }), leave], 1000],
    ['a reserved opcode', [plain(5, 'x'), leave], 1000],
    ['a masked frame', [frame(text, 'x'), leave], 1000],
    ['a continuation of nothing', [plain(0, 'x'), leave], 1000],
    ['no UTF-8', [plain(text, Buffer.from('c0af', 'hex')), leave], 1000],
    ['a length that one byte would do for', [plain(text, 'x', { lengthBytes: 8 }), leave], 1000],
    ['half a frame and an end', [plain(text, 'half of it').subarray(0, 6)], 1006],
    ['no frame, and an end', [], 1006],
  ]
  return sent.map(([title, frames, closed]) => ({
    title: `from the instance, ${title}`,
    target: `/raw?${Buffer.concat(frames).toString('hex')}`,
    bytes: Buffer.alloc(0),
    closed,
  }))
}

function sizes(): Case[] {
  const cases = [256 * KIB, MIB, 4 * MIB, 16 * MIB].map((size) =>
    polite(`a message of ${size}`, [frame(size < 2 * MIB ? text : binary, filled(size))]),
  )
  const series = [0, 16, 64, 256, 1024, 4096, 16_384].map((size) =>
    polite(
      `a thousand messages of ${size}`,
      Array.from({ length: 1000 }, () => frame(binary, filled(size))),
    ),
  )
  return [
    ...cases,
    ...series,
    polite('a mebibyte in pieces of 1021', [frame(text, filled(MIB))], 1000, { chop: 1021 }),
  ]
}

/** Every group but that of compression, which has a file of its own. */
export const CASES: Record<string, Case[]> = {
  lengths: lengths(),
  pings: pings(),
  'reserved bits and opcodes': reserved(),
  fragments: fragments(),
  'UTF-8': texts(),
  closes: closes(),
  'what the instance sends': fromInstance(),
  sizes: sizes(),
}

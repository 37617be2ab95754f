/** A request as it is written: the line, the headers that are odd, and what comes behind the head. */
export interface Malformed {
  line?: string
  headers?: string[]
  body?: string
  /** Done to all of the bytes, proof included. */
  distort?: (text: string) => string
}

const CHUNKED = 'Transfer-Encoding: chunked'
const inChunks = (body: string): Malformed => ({ line: 'POST {target} HTTP/1.1', headers: [CHUNKED], body })
const withLength = (value: string, body = 'abc'): Malformed => ({
  line: 'POST {target} HTTP/1.1',
  headers: [`Content-Length:${value}`],
  body,
})
const withEncoding = (value: string): Malformed => ({
  line: 'POST {target} HTTP/1.1',
  headers: [`Transfer-Encoding:${value}`],
  body: '0\r\n\r\n',
})
const withHeader = (...headers: string[]): Malformed => ({ headers })
const withLine = (line: string): Malformed => ({ line })

/** What two programs could read in two ways, in its head: no instance may see any of it. */
export const MALFORMED_HEADS: Record<string, Malformed> = {
  'a length with a sign': withLength(' +3'),
  'a negative length': withLength(' -1'),
  'a length in hexadecimal': withLength(' 0x3'),
  'a length with an exponent': withLength(' 3e0'),
  'a length with an underscore': withLength(' 0_3'),
  'a length twice in one line': withLength(' 3, 3'),
  'a length of two numbers': withLength(' 3 3'),
  'a length with a parameter': withLength(' 3;a=b'),
  'an empty length': withLength(''),
  'a length beyond any number': withLength(' 99999999999999999999999'),
  'a length behind a vertical tab': withLength('\v3'),
  'a length behind a hard space': withLength(' \xa03'),
  'the same length in two lines': {
    line: 'POST {target} HTTP/1.1',
    headers: ['Content-Length: 3', 'Content-Length: 3'],
    body: 'abc',
  },
  'two lengths': {
    line: 'POST {target} HTTP/1.1',
    headers: ['Content-Length: 3', 'Content-Length: 4'],
    body: 'abcd',
  },
  'a length before an encoding': {
    line: 'POST {target} HTTP/1.1',
    headers: ['Content-Length: 3', CHUNKED],
    body: '0\r\n\r\n',
  },
  'a length behind an encoding': {
    line: 'POST {target} HTTP/1.1',
    headers: [CHUNKED, 'Content-Length: 3'],
    body: '0\r\n\r\n',
  },
  'the encoding identity': withEncoding(' identity'),
  'an encoding besides chunked': withEncoding(' gzip, chunked'),
  'an encoding behind chunked': withEncoding(' chunked, gzip'),
  'chunked twice in one line': withEncoding(' chunked, chunked'),
  'an encoding that ends like chunked': withEncoding(' xchunked'),
  'an encoding that begins like chunked': withEncoding(' chunkedx'),
  'chunked in quotes': withEncoding(' "chunked"'),
  'chunked with a comma behind it': withEncoding(' chunked,'),
  'chunked with a comma before it': withEncoding(' ,chunked'),
  'chunked with a parameter': withEncoding(' chunked;q=1'),
  'chunked behind a vertical tab': withEncoding('\vchunked'),
  'chunked with NUL behind it': withEncoding(' chunked\0'),
  'chunked in a folded line': withEncoding('\r\n chunked'),
  'an empty encoding': withEncoding(''),
  'chunked in two lines': {
    line: 'POST {target} HTTP/1.1',
    headers: [CHUNKED, CHUNKED],
    body: '0\r\n\r\n',
  },
  'an encoding with a space before its colon': {
    line: 'POST {target} HTTP/1.1',
    headers: ['Transfer-Encoding : chunked'],
    body: '0\r\n\r\n',
  },
  'chunks in HTTP/1.0': { line: 'POST {target} HTTP/1.0', headers: [CHUNKED], body: '0\r\n\r\n' },
  'bare line feeds': { distort: (text) => text.replaceAll('\r\n', '\n') },
  'a bare line feed behind the request line': { distort: (text) => text.replace('\r\n', '\n') },
  'a bare line feed in a value': withHeader('X: a\nY: b'),
  'a bare carriage return in a value': withHeader('X: a\rY: b'),
  'NUL in a value': withHeader('X: a\0b'),
  'NUL in a name': withHeader('X\0: a'),
  'a control byte in a value': withHeader('X: \x1b[2J'),
  'DEL in a value': withHeader('X: \x7f'),
  'a folded line': withHeader('X: a', ' b'),
  'a line folded to the request line': { distort: (text) => text.replace('\r\n', '\r\n X: 1\r\n') },
  'a space before the colon': withHeader('X : a'),
  'a header without a name': withHeader(': a'),
  'a header without a colon': withHeader('Xa'),
  'a name with a parenthesis': withHeader('X(: a'),
  'a name beyond ASCII': withHeader('X\xe9: a'),
  'two Hosts': withHeader('Host: other.example'),
  'HTTP/2.0 as text': withLine('GET {target} HTTP/2.0'),
  'HTTP/1.2': withLine('GET {target} HTTP/1.2'),
  'HTTP/1.10': withLine('GET {target} HTTP/1.10'),
  'HTTP/01.1': withLine('GET {target} HTTP/01.1'),
  'HTTP/0.9': withLine('GET {target} HTTP/0.9'),
  'no version': withLine('GET {target}'),
  'half a version': withLine('GET {target} HTTP/1.'),
  'the version in lower case': withLine('GET {target} http/1.1'),
  'a space behind the version': withLine('GET {target} HTTP/1.1 '),
  'a tab in the request line': withLine('GET\t{target} HTTP/1.1'),
  'a space in the target': withLine('GET {target} x HTTP/1.1'),
  'a method in lower case': withLine('get {target} HTTP/1.1'),
  'a method that is no token': withLine('G@T {target} HTTP/1.1'),
  'the preface of HTTP/2': withLine('PRI * HTTP/2.0'),
  'a control byte in the target': withLine('GET {target}\x01 HTTP/1.1'),
  'NUL in the target': withLine('GET {target}\0 HTTP/1.1'),
  'a byte beyond ASCII in the target': withLine('GET {target}\xfc HTTP/1.1'),
  'a target without a slash': withLine('GET x{target} HTTP/1.1'),
  'a space before the request line': { distort: (text) => ` ${text}` },
  'an upgrade to h2c': withHeader(
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
  ),
  'an upgrade to what nobody knows': withHeader('Connection: Upgrade', 'Upgrade: foo'),
  'an upgrade by POST': {
    line: 'POST {target} HTTP/1.1',
    headers: ['Connection: Upgrade', 'Upgrade: websocket'],
  },
  'the first bytes of TLS': { distort: () => '\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03' },
}

/** Likewise in its body: the instance may see where the request begins, and never one that ends. */
export const MALFORMED_BODIES: Record<string, Malformed> = {
  'a chunk size with 0x': inChunks('0x1\r\na\r\n0\r\n\r\n'),
  'a chunk size with a sign': inChunks('+1\r\na\r\n0\r\n\r\n'),
  'a negative chunk size': inChunks('-1\r\na\r\n0\r\n\r\n'),
  'a chunk size with a space behind it': inChunks('1 \r\na\r\n0\r\n\r\n'),
  'a chunk size with a space before it': inChunks(' 1\r\na\r\n0\r\n\r\n'),
  'a chunk size beyond any number': inChunks('fffffffffffffffff\r\na\r\n0\r\n\r\n'),
  'no chunk size': inChunks('\r\na\r\n0\r\n\r\n'),
  'a bare line feed behind a chunk size': inChunks('1\na\r\n0\r\n\r\n'),
  'a bare carriage return behind a chunk size': inChunks('1\ra\r\n0\r\n\r\n'),
  'a bare line feed behind a chunk': inChunks('1\r\na\n0\r\n\r\n'),
  'nothing behind a chunk': inChunks('1\r\na0\r\n\r\n'),
  'bare line feeds at the end': inChunks('0\n\n'),
  'a bare line feed in the end': inChunks('0\r\n\n'),
  'a bare line feed in an extension': inChunks('1;a\nb\r\na\r\n0\r\n\r\n'),
  'a request in a quoted extension': inChunks('1;a="\r\n\r\n"\r\na\r\n0\r\n\r\n'),
  'a trailer that is no header': inChunks('0\r\nX Y: 1\r\n\r\n'),
  'a trailer that frames': inChunks('0\r\nContent-Length: 5\r\n\r\n'),
}

/** The bytes of one, by somebody who may send it. */
export function malformedBytes(
  { line = 'GET {target} HTTP/1.1', headers = [], body = '', distort = (text) => text }: Malformed,
  target: string,
  proof: (method: string, target: string) => string,
): string {
  const requestLine = line.replace('{target}', target)
  const [method = '', asked = ''] = requestLine.split(/[ \t]+/)
  const lines = [requestLine, 'Host: notes.example', ...headers].map((text) => `${text}\r\n`)
  return distort(`${lines.join('')}${proof(method, asked)}\r\n${body}`)
}

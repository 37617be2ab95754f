import { expect, it } from 'vitest'
import { clientErrorAnswer } from './client-error.ts'

it.each([
  ['HPE_INVALID_METHOD', 400, 'Bad Request', 'bad_request'],
  [undefined, 400, 'Bad Request', 'bad_request'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408, 'Request Timeout', 'request_timeout'],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413, 'Payload Too Large', 'body_too_large'],
  ['HPE_HEADER_OVERFLOW', 431, 'Request Header Fields Too Large', 'headers_too_large'],
])(
  'what Node gives up on with %s is answered %i %s as %s, whole, and as the last',
  (error, status, reason, code) => {
    const [head, body] = clientErrorAnswer(error, 'r1', 'Mux-Problem').split('\r\n\r\n')
    expect(head!.split('\r\n')).toEqual([
      `HTTP/1.1 ${status} ${reason}`,
      'Connection: close',
      'Content-Type: application/problem+json',
      'Cache-Control: no-store',
      'X-Request-Id: r1',
      `Mux-Problem: ${code}`,
      `Content-Length: ${body!.length}`,
    ])
    expect(JSON.parse(body!)).toMatchObject({ status, code, request_id: 'r1' })
  },
)

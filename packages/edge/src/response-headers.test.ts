import { expect, test } from 'vitest'
import { responseHeaders } from './response-headers.ts'

const ID = ['X-Request-Id', 'id-1']

test('the answer of an instance passes unchanged: order, duplicates, case and bytes', () => {
  const raw = [
    'Set-Cookie',
    'a=1; Domain=x',
    'content-type',
    'text/html',
    'Set-Cookie',
    'b=2',
    'X-Raw',
    '\u00e9',
    'ETag',
    '',
  ]
  expect(responseHeaders(raw, 'id-1')).toEqual([...raw, ...ID])
})

test('what concerns the connection to the instance stays there', () => {
  const raw = [
    'Connection',
    'close, X-Hop',
    'Keep-Alive',
    'timeout=5',
    'Transfer-Encoding',
    'chunked',
    'X-Hop',
    '1',
    'Trailer',
    'X',
  ]
  expect(responseHeaders(raw, 'id-1')).toEqual(ID)
})

test('an instance says nothing in our name', () => {
  const raw = ['Mux-Problem', 'internal', 'mux_user', 'x', 'X-Request-ID', 'mine', 'x_request_id', 'mine']
  expect(responseHeaders(raw, 'id-1')).toEqual(ID)
})

test.each(['__Host-mux=x; Path=/; Secure', '__Host-mux=', '__Host-mux', ' \t__Host-mux =x', '__host-MUX=x'])(
  'an instance cannot set or end our session by Set-Cookie: %j',
  (value) => {
    expect(responseHeaders(['Set-Cookie', value, 'Set-Cookie', '__Host-muxer=1'], 'id-1')).toEqual([
      'Set-Cookie',
      '__Host-muxer=1',
      ...ID,
    ])
  },
)

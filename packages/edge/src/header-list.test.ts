import { expect, test } from 'vitest'
import { appendTo, headersOf, listOf, valueOf, without } from './header-list.ts'

/** What is sent, whichever form it was handed over in. */
const sent = (list: string[]) => listOf(new Headers(headersOf(list)))

test('a list becomes headers and comes back', () => {
  const list = ['accept', '*/*', 'x-empty', '', 'x-raw', 'Ã©']
  expect(sent(list)).toEqual(list)
})

test('a name that comes twice keeps both values, and each Set-Cookie is by itself', () => {
  expect(sent(['set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-a', '1', 'X-A', '2'])).toEqual([
    'set-cookie',
    'a=1',
    'set-cookie',
    'b=2',
    'x-a',
    '1, 2',
  ])
})

test.each(['__proto__', 'constructor', 'tostring', 'hasownproperty'])(
  'a header named %s is a header like any other',
  (name) => {
    expect(sent([name, '1'])).toEqual([name, '1'])
    expect(sent([name, '1', name, '2'])).toEqual([name, '1, 2'])
  },
)

test('what is appended takes nothing away', () => {
  const headers = new Headers({ 'set-cookie': 'a=1' })
  appendTo(headers, ['x-before', '1', 'Set-Cookie', 'b=2', 'X-Request-Id', 'id-1'], 2)
  expect(listOf(headers)).toEqual(['set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-request-id', 'id-1'])
})

test('a name is not found where a value is spelled like it', () => {
  const list = ['x-a', 'host', 'host', 'mux.example']
  expect(valueOf(list, 'host')).toBe('mux.example')
  expect(valueOf(list, 'mux.example')).toBeUndefined()
  expect(without(list, 'host')).toEqual(['x-a', 'host'])
})

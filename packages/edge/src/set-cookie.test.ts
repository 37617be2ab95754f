import { expect, test } from 'vitest'
import { formatSetCookie, isRemoval, parseSetCookie } from './set-cookie.ts'

test.each([
  ['a=b; Path=/; HttpOnly', 'a', 'b'],
  [' a\t= b c ;x', 'a', 'b c'],
  ['a=b=c', 'a', 'b=c'],
  ['a="b c"', 'a', '"b c"'],
  ['a=', 'a', ''],
  ['=b', '', 'b'],
  ['b', '', 'b'],
  ['', '', ''],
])('%j is the cookie %j of %j', (text, name, value) => {
  expect(parseSetCookie(text)).toMatchObject({ name, value })
})

test('what is read is written as it came', () => {
  const text = 'a=b; Path=/; SameSite=Lax;HttpOnly; Priority = High'
  expect(formatSetCookie(parseSetCookie(text))).toBe(text)
})

const NOW = Date.UTC(2026, 10, 22)
test.each([
  ['a=b', false],
  ['a=; Max-Age=0', true],
  ['a=; max-age = -1', true],
  ['a=; Max-Age=60', false],
  ['a=; Max-Age=x', false],
  ['a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT', true],
  ['a=; expires=Sun, 22 Nov 2026 00:00:00 GMT', true],
  ['a=; Expires=Sun, 22 Nov 2026 00:00:01 GMT', false],
  ['a=; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT', false],
  ['a=; Expires=Sun, 22 Nov 2099 00:00:00 GMT; Max-Age=0', true],
  ['a=; Max-Age=0; Max-Age=60', false],
  ['a=; Expires=never', false],
])('that %j removes a cookie: %s', (text, removes) => {
  expect(isRemoval(parseSetCookie(text), NOW)).toBe(removes)
})

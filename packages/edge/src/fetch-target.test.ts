import { expect, test } from 'vitest'
import { fetchTarget } from './fetch-target.ts'

test.each([
  ['/', '/'],
  ['/a%2Fb/c?d=%zz&e=a+b', '/a%2Fb/c?d=%zz&e=a+b'],
  ['/x?', '/x?'],
  ['//evil.example/x', '//evil.example/x'],
  ['/a.b/c..d/e.', '/a.b/c..d/e.'],
  ["/it's?q='a'", "/it's?q=%27a%27"],
  ['/{id}/"x"?{"a":"<b>"}', '/%7Bid%7D/%22x%22?{%22a%22:%22%3Cb%3E%22}'],
  ['/%7Bid}?%27', '/%7Bid%7D?%27'],
  ['/.well-known/x', '/.well-known/x'],
  ['/...', '/...'],
  ['/x?a=/../b\\c|d', '/x?a=/../b\\c|d'],
])('%s is sent as %s', (target, sent) => {
  expect(fetchTarget(target)).toBe(sent)
  expect(new URL(`https://east.example${sent}`).href).toBe(`https://east.example${sent}`)
})

test.each([
  '/./x',
  '/../x',
  '/a/../_mux/session',
  '/a/.',
  '/%2e%2E/x',
  '/a/.%2e',
  '/\\evil',
  '/a\\b',
  '/a/%2e',
])('%s would ask for another path, and is refused', (target) => {
  expect(() => fetchTarget(target)).toThrow(expect.objectContaining({ code: 'bad_request' }))
})

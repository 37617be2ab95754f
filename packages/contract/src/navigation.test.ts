import { expect, it } from 'vitest'
import { isNavigation } from './navigation.ts'

it.each([
  ['GET', { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, true],
  ['HEAD', { accept: 'text/html' }, true],
  ['GET', { accept: '*/*' }, false],
  ['GET', {}, false],
  ['POST', { accept: 'text/html' }, false],
  ['GET', { accept: 'text/html', 'sec-fetch-mode': 'cors' }, false],
  ['GET', { accept: 'text/html', 'sec-fetch-mode': 'navigate' }, true],
  ['GET', { accept: 'application/json;note=text/htmlish' }, false],
])('%s with %j opens a page: %s', (method, headers: Record<string, string>, expected) => {
  expect(isNavigation(method, (name) => headers[name])).toBe(expected)
})

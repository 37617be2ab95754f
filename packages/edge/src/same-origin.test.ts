import { expect, test } from 'vitest'
import { isForeignSocket, isSameOrigin } from './same-origin.ts'

function ask(headers: Record<string, string>): boolean {
  return isSameOrigin((name) => ({ host: 'mux.example:8080', ...headers })[name])
}

test.each([
  { 'sec-fetch-site': 'same-origin' },
  { origin: 'http://mux.example:8080' },
  { origin: 'https://mux.example:8080' },
  { origin: 'http://MUX.example:8080', 'sec-fetch-site': 'same-origin' },
  { origin: 'http://mux.example', host: 'mux.example:80' },
])('a form of this site is taken: %j', (headers) => {
  expect(ask(headers as Record<string, string>)).toBe(true)
})

test.each([
  {},
  { origin: 'null' },
  { origin: '' },
  { origin: 'http://evil.example' },
  { origin: 'http://mux.example' },
  { origin: 'http://mux.example:8080.evil.example' },
  { origin: 'http://mux.example:8080@evil.example' },
  { origin: 'http://mux.example:8080/' },
  { origin: 'file://mux.example:8080' },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'none' },
  { 'sec-fetch-site': 'same-origin', origin: 'http://evil.example' },
  { 'sec-fetch-site': 'cross-site', origin: 'http://mux.example:8080' },
  { 'sec-fetch-mode': 'no-cors' },
  { origin: 'null', host: 'null' },
  { origin: 'http://a b', host: 'a b' },
])('a form that may be of another site is not: %j', (headers) => {
  expect(ask(headers as Record<string, string>)).toBe(false)
})

test.each([
  [undefined, false],
  ['https://mux.example:8080', false],
  ['http://MUX.example:8080', false],
  ['null', true],
  ['', true],
  ['https://evil.example', true],
  ['https://mux.example', true],
  ['https://sub.mux.example:8080', true],
  ['https://mux.example:8080.evil.example', true],
])('a WebSocket that a page of %s asks for is of another site: %s', (origin, foreign) => {
  const headers: Record<string, string | undefined> = { host: 'mux.example:8080', origin }
  expect(isForeignSocket((name) => headers[name])).toBe(foreign)
})

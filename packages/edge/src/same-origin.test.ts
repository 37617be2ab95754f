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
  { origin: 'null', 'sec-fetch-site': 'same-origin' },
])('a form of this site is taken: %j', (headers) => {
  expect(ask(headers as Record<string, string>)).toBe(true)
})

test.each([
  {},
  { origin: 'null' },
  { origin: 'null', 'sec-fetch-site': 'cross-site' },
  { origin: 'null', 'sec-fetch-site': 'same-site' },
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
  [{}, false],
  [{ origin: 'https://mux.example:8080' }, false],
  [{ origin: 'http://MUX.example:8080' }, false],
  [{ origin: 'https://mux.example:8080', 'sec-fetch-site': 'same-origin' }, false],
  [{ origin: 'null' }, true],
  [{ origin: '' }, true],
  [{ origin: 'https://evil.example' }, true],
  [{ origin: 'https://mux.example' }, true],
  [{ origin: 'https://sub.mux.example:8080' }, true],
  [{ origin: 'https://mux.example:8080.evil.example' }, true],
  // The page of the same host that came by plain HTTP, which anybody on the way may have written.
  [{ origin: 'http://mux.example:8080', 'sec-fetch-site': 'cross-site' }, true],
  [{ 'sec-fetch-site': 'same-site' }, true],
])('a WebSocket that is asked for with %j is of another site: %s', (headers, foreign) => {
  const sent: Record<string, string | undefined> = { host: 'mux.example:8080', ...headers }
  expect(isForeignSocket((name) => sent[name])).toBe(foreign)
})

import { expect, test } from 'vitest'
import { keepPrivate } from './keep-private.ts'

test.each([
  [undefined, 'private'],
  ['', 'private'],
  ['max-age=60', 'private, max-age=60'],
  ['no-cache', 'private, no-cache'],
  ['public, max-age=31536000, immutable', 'private, max-age=31536000, immutable'],
  ['PUBLIC,S-MaxAge = 60 ,max-age=1', 'private, max-age=1'],
  ['public', 'private'],
  ['private, max-age=60', 'private, max-age=60'],
  ['Private', 'Private'],
  ['no-store', 'no-store'],
  ['public, no-store', 'no-store'],
  ['no-store, max-age=0, s-maxage=9', 'no-store, max-age=0'],
  ['private="x, public", max-age=1', 'private, max-age=1'],
  ['private="no-store"', 'private'],
  ['x-y="a, private, b"', 'private, x-y="a, private, b"'],
  ['x="unclosed, private', 'private, x="unclosed, private'],
  ['publicity=1', 'private, publicity=1'],
])('%j is sent to one user as %j', (value, kept) => {
  expect(keepPrivate(value)).toBe(kept)
})

import { describe, expect, it } from 'vitest'
import { parseInstanceName, parseRouteKey, parseUserName } from './names.ts'

describe('a user name', () => {
  it.each([
    ['brian', 'brian'],
    ['Brian', 'brian'],
    ['BRIAN.Smith+test@example.com', 'brian.smith+test@example.com'],
    ['7of9', '7of9'],
    ['a'.repeat(64), 'a'.repeat(64)],
  ])('%j is canonicalised to %j', (given, canonical) => {
    expect(parseUserName(given)).toBe(canonical)
  })

  it.each([
    '',
    '..',
    '-rf',
    '_x',
    'a b',
    'a/b',
    'a:b',
    'a,b',
    'a\nb',
    'a\0b',
    'a'.repeat(65),
    'a'.repeat(1_000_000),
    'jürgen',
    'ju\u0308rgen',
    '\u202eabc',
    'b\u200brian',
  ])('%j belongs to nobody', (given) => {
    expect(parseUserName(given)).toBeUndefined()
  })

  it('folds no foreign letter onto an ASCII one, so nobody can sign in under a look-alike', () => {
    // U+212A KELVIN SIGN lower-cases (and normalises) to k, U+017F LONG S upper-cases to S.
    expect(parseUserName('\u017fam')).toBeUndefined()
    expect(parseUserName('ｂrian')).toBeUndefined()
    expect(parseUserName('İvan')).toBeUndefined()
  })
})

describe('an instance name', () => {
  it.each(['django2', 'a', 'a-b', `a${'b'.repeat(62)}`])('%j is accepted as it stands', (given) => {
    expect(parseInstanceName(given)).toBe(given)
  })
  it.each(['', 'Django2', '2django', '-a', 'a-', 'a_b', 'a.b', '..', 'a/b', `a${'b'.repeat(63)}`, 'a\n'])(
    '%j is refused',
    (given) => {
      expect(parseInstanceName(given)).toBeUndefined()
    },
  )
})

describe('a route key', () => {
  it.each([
    ['*', '*'],
    ['Notes.Example.COM', 'notes.example.com'],
    ['notes.example.com:8080', 'notes.example.com'],
    ['notes.example.com.', 'notes.example.com'],
    ['127.0.0.1:80', '127.0.0.1'],
    ['[::1]:8080', '[::1]'],
  ])('of the host %j is %j', (given, key) => {
    expect(parseRouteKey(given)).toBe(key)
  })
  it.each(['', 'a b', 'a/b', 'user@host', 'a..b', '-a.b', 'a:b', 'a:80:80', '[::1', `${'a.'.repeat(200)}b`])(
    'does not exist for %j',
    (given) => {
      expect(parseRouteKey(given)).toBeUndefined()
    },
  )
})

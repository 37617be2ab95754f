import { createHash } from 'node:crypto'
import { decodeRecord, type TokenRecord } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import { createToken, parseToken, tokenMatches } from './tokens.ts'

const NOW = Date.parse('2026-11-22T10:00:00Z')
const record = (sha256: string, expires: string | null = null): TokenRecord =>
  decodeRecord('token', 'x', JSON.stringify({ v: 1, user: 'brian', sha256, expires, label: null }))

describe('an API token', () => {
  it('names its record, and carries at least 128 random bits besides', () => {
    const { id, token } = createToken()
    expect(parseToken(token)).toEqual({ id })
    const secret = token.slice(`mux_${id}_`.length)
    expect(secret).toMatch(/^[0-9a-f]+$/)
    expect(secret.length * 4).toBeGreaterThanOrEqual(128)
  })

  it('is another one each time', () => {
    const tokens = Array.from({ length: 1000 }, createToken)
    expect(new Set(tokens.map(({ id }) => id)).size).toBe(1000)
    expect(new Set(tokens.map(({ token }) => token.slice(-40))).size).toBe(1000)
  })

  it('is kept as its SHA-256 and nothing else', () => {
    const { token, sha256 } = createToken()
    expect(sha256).toBe(createHash('sha256').update(token).digest('hex'))
  })

  it('matches its own record and no other', () => {
    const [one, two] = [createToken(), createToken()]
    expect(tokenMatches(one.token, record(one.sha256), NOW)).toBe(true)
    expect(tokenMatches(one.token, record(two.sha256), NOW)).toBe(false)
  })

  it('matches no longer when any one character is changed', () => {
    const { token, sha256 } = createToken()
    for (let index = 0; index < token.length; index += 1) {
      const other = token[index] === '0' ? '1' : '0'
      const changed = token.slice(0, index) + other + token.slice(index + 1)
      expect(tokenMatches(changed, record(sha256), NOW)).toBe(false)
    }
  })

  it.each([
    [null, true],
    ['2026-11-22T10:00:00.001Z', true],
    ['2026-11-22T10:00:00Z', false],
    ['2026-11-21T10:00:00Z', false],
    ['2026-11-22T11:30:00+02:00', false],
  ])('that expires at %s is good at 10:00: %s', (expires, good) => {
    const { token, sha256 } = createToken()
    expect(tokenMatches(token, record(sha256, expires), NOW)).toBe(good)
  })

  it.each([
    '',
    'mux_',
    `mux_${'a'.repeat(16)}_${'b'.repeat(39)}`,
    `mux_${'a'.repeat(16)}_${'b'.repeat(41)}`,
    `mux_${'a'.repeat(15)}_${'b'.repeat(40)}`,
    `MUX_${'a'.repeat(16)}_${'b'.repeat(40)}`,
    `mux_${'A'.repeat(16)}_${'b'.repeat(40)}`,
    `mux_${'a'.repeat(16)}_${'b'.repeat(40)}\n`,
    ` mux_${'a'.repeat(16)}_${'b'.repeat(40)}`,
    `mux_${'../'.repeat(5)}a_${'b'.repeat(40)}`,
    `mux_${'a'.repeat(1_000_000)}`,
  ])('is not spelled %.80j', (text) => {
    expect(parseToken(text)).toBeUndefined()
  })
})

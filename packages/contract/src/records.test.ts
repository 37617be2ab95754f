import { describe, expect, it } from 'vitest'
import { parseHostName, parseInstanceName } from './names.ts'
import {
  controlUrl,
  decodeRecord,
  encodeRecord,
  epochOf,
  type HostRecord,
  nextUserRecord,
  nextVersion,
  RecordError,
  type UserRecord,
} from './records.ts'

const brian: UserRecord = {
  v: 1,
  instance: parseInstanceName('django2')!,
  target: { host: parseHostName('local')!, origin: 'local:' },
  password: '$scrypt$ln=14,r=8,p=5$c2FsdA$aGFzaA',
  disabled: false,
  version: 7,
  changed: '2026-11-22T10:00:00.000Z',
}

describe('a record', () => {
  it('comes back as it was written', () => {
    for (const record of [brian, { ...brian, epoch: 5 }])
      expect(decodeRecord('user', 'brian', encodeRecord('user', 'brian', record))).toEqual(record)
  })

  it('of a token from before its use was noted is one that was never used', () => {
    const token = { v: 1, user: 'brian', sha256: '0'.repeat(64), expires: null, label: null }
    expect(decodeRecord('token', 'x', JSON.stringify(token))).toEqual({ ...token, used: null })
  })

  it.each([
    ['empty', ''],
    ['cut off', '{"v":1'],
    ['with a byte order mark', `\ufeff${JSON.stringify(brian)}`],
    ['without a version', JSON.stringify({ ...brian, v: undefined })],
    ['of a newer version', JSON.stringify({ ...brian, v: 2 })],
    ['with a field of a wrong type', JSON.stringify({ ...brian, disabled: 'no' })],
    ['with an epoch of a wrong type', JSON.stringify({ ...brian, epoch: null })],
    ['with an unknown field', JSON.stringify({ ...brian, role: 'admin' })],
    [
      'with a planted prototype',
      JSON.stringify(brian).replace('"v":1', '"v":1,"__proto__":{"disabled":false}'),
    ],
    ['naming no instance that can exist', JSON.stringify({ ...brian, instance: '../graham' })],
    [
      'with a target inside a URL path',
      JSON.stringify({ ...brian, target: { host: 'a', origin: 'http://h/p' } }),
    ],
    [
      'with credentials in its origin',
      JSON.stringify({ ...brian, target: { host: 'a', origin: 'http://u@h' } }),
    ],
    ['of 25 MiB', JSON.stringify({ ...brian, password: 'x'.repeat(25 << 20) })],
  ])('%s is refused, and the error does not repeat it', (_, text) => {
    const attempt = () => decodeRecord('user', 'brian', text)
    expect(attempt).toThrow(RecordError)
    expect(attempt).toThrow(/^The record user:brian cannot be used: .{5,80}\.$/)
  })

  it('that could not be read again is not written', () => {
    expect(() => encodeRecord('user', 'brian', { ...brian, version: 0 })).toThrow(RecordError)
  })
})

describe('the record of a host', () => {
  const web1: HostRecord = { v: 1, origin: 'https://web1.example.com', control: null, state: 'open' }

  it.each([
    ['https://web1.example.com:8443', true],
    ['http://[::1]:9090', true],
    ['vpc:WEB1', true],
    ['local:', false],
    ['vpc:', false],
    ['vpc:WEB 1', false],
    ['vpc:WEB1/x', false],
    ['https://web1.example.com/', false],
    ['ftp://web1', false],
  ])('with the origin %s can be used: %s', (origin, usable) => {
    const decode = () => decodeRecord('host', 'web1', JSON.stringify({ ...web1, origin }))
    if (usable) expect(decode()).toEqual({ ...web1, origin })
    else expect(decode).toThrow(RecordError)
  })

  it('says where the operator reaches it, which is never a binding of the Worker', () => {
    const control = 'https://10.0.0.5:9090'
    expect(controlUrl(web1)).toBe('https://web1.example.com')
    expect(controlUrl({ ...web1, control })).toBe(control)
    expect(controlUrl({ ...web1, origin: 'vpc:WEB1', control })).toBe(control)
    expect(controlUrl({ ...web1, origin: 'vpc:WEB1' })).toBeNull()
  })
})

describe("a user's version", () => {
  it('grows with every change, also when the clock is set back', () => {
    expect(nextVersion(5_000, 1_000)).toBe(5_001)
  })
  it('of a user added again is above that of the one removed', () => {
    const removed = nextVersion(nextVersion(undefined, 1_000), 1_000)
    expect(nextVersion(undefined, 2_000)).toBeGreaterThan(removed)
  })
})

describe('the next record of a user', () => {
  const later = { ...brian, changed: '1970-01-01T00:00:01.000Z' }

  it('keeps their sessions however often, also those of a record from before there were epochs', () => {
    const moved = nextUserRecord(nextUserRecord(brian, 'kept', 1_000), 'kept', 1_000)
    expect(moved).toEqual({ ...later, version: 1_001, epoch: 7 })
    expect(epochOf(moved)).toBe(epochOf(brian))
  })

  it('ends them, and is as one that never had kept any', () => {
    const ended = nextUserRecord({ ...brian, epoch: 5 }, 'ended', 1_000)
    expect(ended).toEqual({ ...later, version: 1_000 })
    expect(epochOf(ended)).toBe(1_000)
  })
})

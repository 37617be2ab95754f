import { createHmac, randomBytes } from 'node:crypto'
import { parseUserName } from '@mux/contract'
import { beforeEach, describe, expect, it } from 'vitest'
import { withoutSignIn } from './cookie-scope.ts'
import { createSessions, SESSION_COOKIE } from './session.ts'

const BRIAN = parseUserName('brian')!
const KEY = randomBytes(32)
const DAYS_7 = 7 * 24 * 60 * 60
const DAYS_14 = 2 * DAYS_7
const DAYS_400 = 400 * 24 * 60 * 60
let clock: number
beforeEach(() => {
  clock = 1_795_000_000_000
})

const sessions = (...keys: Uint8Array[]) =>
  createSessions({ keys: keys.length === 0 ? [KEY] : (keys as [Uint8Array]), now: () => clock })
const issue = (user = BRIAN, epoch = 7) => sessions().issue({ user, epoch })
const cookie = (value: string) => `${SESSION_COOKIE}=${value}`
/** A value that is signed as ours are, whatever it says. */
function forge(payload: string, key: Uint8Array = KEY, context = 'mux session cookie\n'): string {
  return `${payload}.${createHmac('sha256', key).update(`${context}${payload}`).digest('base64url')}`
}
const valueOf = (setCookie: string | undefined) => setCookie?.slice(cookie('').length).split(';')[0]
const encode = (fields: unknown) => `v1.${Buffer.from(JSON.stringify(fields)).toString('base64url')}`

describe('a session', () => {
  it('is read back from the cookie that was issued, for the user and the epoch of the record', () => {
    const { value } = issue(parseUserName('a.b+c@example.com'), 1_795_000_000_001)
    expect(sessions().read(cookie(value))).toEqual({
      user: 'a.b+c@example.com',
      epoch: 1_795_000_000_001,
      id: expect.stringMatching(/^[\w-]{22}$/),
      issued: clock / 1000,
      expires: clock / 1000 + DAYS_14,
      seen: clock / 1000,
    })
  })

  it('is another one at every sign-in', () => {
    const ids = Array.from({ length: 1000 }, () => sessions().read(cookie(issue().value))!.id)
    expect(new Set(ids).size).toBe(1000)
  })

  it('comes in a cookie that no script, no other host and no plain connection gets to see', () => {
    const { value, setCookie } = issue()
    expect(setCookie).toBe(`__Host-mux=${value}; Max-Age=${DAYS_400}; Path=/; Secure; HttpOnly; SameSite=Lax`)
    expect(value).toMatch(/^[\w.-]+$/)
  })

  it('ends in the browser by a cookie with the same attributes', () => {
    expect(sessions().clearCookie()).toBe('__Host-mux=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax')
  })

  it('is over seven days after it was last used', () => {
    const { value } = issue()
    clock += DAYS_7 * 1000 - 1
    expect(sessions().read(cookie(value))).toBeDefined()
    clock += 1
    expect(sessions().read(cookie(value))).toBeUndefined()
  })

  it('is over after fourteen days, however much it is used', () => {
    const started = clock
    let value = issue().value
    while (clock < started + DAYS_14 * 1000 - 1) {
      clock = Math.min(clock + 3_600_000, started + DAYS_14 * 1000 - 1)
      const session = sessions().read(cookie(value))
      expect(session).toBeDefined()
      value = valueOf(sessions().renewal(session!)) ?? value
    }
    clock += 1
    expect(sessions().read(cookie(value))).toBeUndefined()
  })

  it('is renewed once an hour at most, as the same session', () => {
    const first = sessions().read(cookie(issue().value))!
    clock += 3_599_000
    expect(sessions().renewal(first)).toBeUndefined()
    clock += 1_000
    const renewal = sessions().renewal(first)!
    expect(renewal).toContain(`Max-Age=${DAYS_400}; Path=/; Secure; HttpOnly; SameSite=Lax`)
    expect(sessions().read(cookie(valueOf(renewal)!))).toEqual({ ...first, seen: clock / 1000 })
  })

  it('lasts as long as it is said to, also when it was issued for longer', () => {
    const short = createSessions({ keys: [KEY], now: () => clock, limits: { absolute: 60, idle: 20 } })
    const { value } = short.issue({ user: BRIAN, epoch: 1 })
    const long = issue().value
    clock += 2_000
    expect(valueOf(short.renewal(short.read(cookie(value))!))).toBeDefined()
    clock += 18_000
    expect(short.read(cookie(value))).toBeUndefined()
    expect(short.read(cookie(long))).toBeUndefined()
  })

  it('that may rest as long as it lasts is never renewed', () => {
    const steady = createSessions({ keys: [KEY], now: () => clock, limits: { absolute: 60, idle: Infinity } })
    const session = steady.read(cookie(steady.issue({ user: BRIAN, epoch: 1 }).value))!
    clock += 59_000
    expect(steady.renewal(session)).toBeUndefined()
    expect(steady.endOf(session)).toBe(session.issued + 60)
  })

  it('that is over still tells whose it was, and may be of anybody where that cannot be told', () => {
    const { value } = issue()
    clock += 2 * DAYS_14 * 1000
    expect(sessions().read(cookie(value))).toBeUndefined()
    expect(sessions().mayBeOfOther(cookie(value), BRIAN)).toBe(false)
    expect(sessions().mayBeOfOther(cookie(value), parseUserName('graham')!)).toBe(true)
    for (const unreadable of [
      cookie(value),
      `${cookie(value)}; ${cookie(value)}`,
      cookie(''),
      cookie('v9.x.y'),
    ])
      expect(sessions(randomBytes(32)).mayBeOfOther(unreadable, BRIAN)).toBe(true)
    expect(sessions().mayBeOfOther(undefined, BRIAN)).toBe(false)
    expect(sessions().mayBeOfOther('a=1; b=__Host-mux', BRIAN)).toBe(false)
  })

  it('from the future is refused beyond what two clocks may differ', () => {
    const { value } = issue()
    clock -= 60_000
    expect(sessions().read(cookie(value))).toBeDefined()
    clock -= 1_000
    expect(sessions().read(cookie(value))).toBeUndefined()
  })

  it('needs keys of 32 bytes', () => {
    expect(() => sessions(randomBytes(31))).toThrow(RangeError)
    expect(() => sessions(KEY, randomBytes(31))).toThrow(RangeError)
  })
})

describe('a roll of the session key', () => {
  const next = randomBytes(32)

  it('signs nobody out while the old key is still known', () => {
    const { value } = issue()
    expect(sessions(next, KEY).read(cookie(value))).toBeDefined()
  })

  it('signs with the new key, which the old one alone does not verify', () => {
    const { value } = sessions(next, KEY).issue({ user: BRIAN, epoch: 7 })
    expect(sessions(next).read(cookie(value))).toBeDefined()
    expect(sessions(KEY).read(cookie(value))).toBeUndefined()
  })

  it('ends what the old key signed once that is gone', () => {
    expect(sessions(next).read(cookie(issue().value))).toBeUndefined()
  })
})

describe('a forged session', () => {
  it('is refused with any one character changed, left out or doubled', () => {
    const { value } = issue()
    const forgeries = Array.from(value).flatMap((character, index) =>
      ['A', 'B', '.', '=', String.fromCharCode(character.charCodeAt(0) ^ 1), '', character.repeat(2)].map(
        (other) => value.slice(0, index) + other + value.slice(index + 1),
      ),
    )
    const accepted = forgeries.filter((forgery) => sessions().read(cookie(forgery)) !== undefined)
    expect(accepted.filter((forgery) => forgery !== value)).toEqual([])
  })

  it('is refused in another spelling of the same base64', () => {
    const { value } = issue()
    const signature = Buffer.from(value.split('.')[2]!, 'base64url')
    const alphabet = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
    const spellings = alphabet
      .map((last) => value.slice(0, -1) + last)
      .filter((other) => Buffer.from(other.split('.')[2]!, 'base64url').equals(signature))
    expect(spellings).toHaveLength(4)
    const read = [...spellings, `${value}=`].filter((other) => sessions().read(cookie(other)) !== undefined)
    expect(read).toEqual([value])
  })

  it.each([
    ['nothing', ''],
    ['quotes around it', '"VALUE"'],
    ['something before it', 'xVALUE'],
    ['something after it', 'VALUEx'],
    ['another value after it', 'VALUE.VALUE'],
    ['a comma after it', 'VALUE,'],
    ['itself percent-encoded', '%76VALUE'],
    ['a megabyte', 'v1.'.padEnd(2 ** 20, 'A')],
  ])('is refused with %s', (_what, value) => {
    expect(sessions().read(cookie(value.replaceAll('VALUE', issue().value)))).toBeUndefined()
  })

  it.each([
    ['of another version of mux', () => forge(encode(['brian', 7, 'id', 1, 2e9, 1]).replace('v1.', 'v2.'))],
    ['with a field too few', () => forge(encode(['brian', 7, 'id', 1, 2e9]))],
    ['with a field too many', () => forge(encode(['brian', 7, 'id', 1, 2e9, 1, 0]))],
    ['with a name that is no user’s', () => forge(encode(['Brian O', 7, 'id', 1, 2e9, 1]))],
    ['with an epoch that is no number', () => forge(encode(['brian', '7', 'id', 1, 2e9, 1]))],
    ['with an end that is no number', () => forge(encode(['brian', 7, 'id', 1, null, 1]))],
    ['with a payload that is no JSON', () => forge('v1.AAAA')],
    ['with a payload that is no list', () => forge(encode({ user: 'brian' }))],
  ])('is refused %s, although it is signed', (_what, make) => {
    expect(sessions().read(cookie(make()))).toBeUndefined()
  })

  it('is refused when the same key signed it for another purpose', () => {
    const payload = encode(['brian', 7, 'id', clock / 1000, clock / 1000 + 60, clock / 1000])
    expect(sessions().read(cookie(forge(payload)))).toBeDefined()
    expect(sessions().read(cookie(forge(payload, KEY, '')))).toBeUndefined()
    expect(sessions().read(cookie(forge(payload, KEY, 'mux host key v1 ')))).toBeUndefined()
  })
})

describe('a Cookie header', () => {
  const read = (header: string) => sessions().read(header.replaceAll('VALUE', issue().value))

  it.each([
    '__Host-mux=VALUE',
    'a=b; __Host-mux=VALUE; c=d',
    'a=b;__Host-mux=VALUE;c=d',
    '  __Host-mux=VALUE  ',
    'x__Host-mux=1; __Host-mux=VALUE; __Host-muxx=2',
    'a="b; __Host-mux=VALUE',
  ])('%j carries the session', (header) => {
    expect(read(header)?.user).toBe('brian')
  })

  it.each([
    ['two of our cookies', '__Host-mux=VALUE; __Host-mux=VALUE'],
    ['two of our cookies, one of them empty', '__Host-mux=; __Host-mux=VALUE'],
    ['the name in upper case', '__HOST-MUX=VALUE'],
    ['the name without its prefix', 'mux=VALUE'],
    ['a longer name', '__Host-mux2=VALUE'],
    ['a no-break space before the name', '\u00a0__Host-mux=VALUE'],
    ['an en quad before the name, as Node reads it', 'â\u0080\u0080__Host-mux=VALUE'],
    ['the cookie inside another one', '$Version=1,__Host-mux=VALUE'],
    ['the syntax of before', '$Version=1; __Host-mux=VALUE'],
    ['the syntax of before, behind it', '__Host-mux=VALUE; a=b; $VERSION = "1"'],
    ['the cookie inside a nameless one', '=__Host-mux=VALUE'],
    ['the name without a value', '__Host-mux'],
    ['a blank inside the name', '__Host- mux=VALUE'],
    ['nothing', ''],
  ])('with %s carries none', (_what, header) => {
    expect(read(header)).toBeUndefined()
  })

  it('that is absent carries none', () => {
    expect(sessions().read(undefined)).toBeUndefined()
  })

  it('costs nothing to read, however many blanks and cookies it has', () => {
    const header = `a=b${' '.repeat(2 ** 19)}x; ${'c=d;'.repeat(2 ** 17)}__Host-mux=x`
    const before = process.cpuUsage()
    expect(sessions().read(header)).toBeUndefined()
    withoutSignIn(header)
    // Microseconds; a look at each blank for each of them takes minutes.
    expect(process.cpuUsage(before).user).toBeLessThan(10_000_000)
  })
})

describe('a Cookie header on its way to the instance', () => {
  it.each([
    ['a=b; c=d', 'a=b; c=d'],
    ['__Host-mux=x', undefined],
    [' __Host-mux=x ; ', undefined],
    ['__Host-mux=x; a=b', 'a=b'],
    ['a=b; __Host-mux=x', 'a=b'],
    ['a=b; __Host-mux=x; c=d', 'a=b; c=d'],
    ['a=b;__Host-mux=x;c=d', 'a=b;c=d'],
    ['__Host-mux=x; __Host-mux=y; a=b', 'a=b'],
    ['a="1;  b=\u00a0; __Host-mux=x; =c; d', 'a="1;  b=\u00a0; =c; d'],
    ['a=b; a=c; __Host-mux=; a=b', 'a=b; a=c; a=b'],
    ['__Host-muxx=1; x__Host-mux=2; a=__Host-mux', '__Host-muxx=1; x__Host-mux=2; a=__Host-mux'],
    ['a=b; CF_Authorization=eyJ; CF_AppSession=x; c=d', 'a=b; c=d'],
    ['CF_Authorization=eyJ', undefined],
    ['CF_Authorized=1; CF_A=2', 'CF_Authorized=1; CF_A=2'],
    ['', ''],
  ])('%j is sent as %j', (header, sent) => {
    expect(withoutSignIn(header)).toBe(sent)
  })
})

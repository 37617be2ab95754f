import { parseInstanceName, parseUserName } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import { SHARED_COOKIES } from './cookie-rules.ts'
import { CookieScope, removeAll } from './cookie-scope.ts'

const NOW = Date.UTC(2026, 10, 22)
function scope(instance: string, user?: string): CookieScope {
  const name = user === undefined ? undefined : parseUserName(user)!
  return new CookieScope({ instance: parseInstanceName(instance)!, user: name, now: () => NOW })
}
const brian = () => scope('django2', 'brian')
/** What a browser sends back of what it was sent. */
const returned = (setCookies: string[]) => setCookies.map((one) => one.split(';')[0]).join('; ')

describe('a cookie that scripts cannot read', () => {
  it.each([
    ['sessionid=abc; HttpOnly; Path=/', 'mux~django2~brian~sessionid=abc; HttpOnly; Path=/'],
    ['sessionid=abc;httponly', 'mux~django2~brian~sessionid=abc;httponly'],
    ['__Host-sid=x; Secure; HttpOnly; Path=/', '__Host-mux~django2~brian~sid=x; Secure; HttpOnly; Path=/'],
    ['__secure-sid=x; Secure; HttpOnly', '__secure-mux~django2~brian~sid=x; Secure; HttpOnly'],
    ['__Http-sid=x; Secure; HttpOnly', '__Http-mux~django2~brian~sid=x; Secure; HttpOnly'],
    ['a="b c=d"; HttpOnly', 'mux~django2~brian~a="b c=d"; HttpOnly'],
  ])('%j travels as %j', (set, sent) => {
    expect(brian().toBrowser(set)).toEqual([sent])
  })

  it.each([
    'sessionid=abc; HttpOnly',
    '__Host-sid=x; Secure; HttpOnly; Path=/',
    'a~b=c; HttpOnly',
    'a="b"; HttpOnly',
  ])('comes back to the instance as it set %j', (set) => {
    expect(brian().toInstance(returned(brian().toBrowser(set)))).toBe(set.split(';')[0])
  })

  it.each([
    ['another instance of the same user', scope('django1', 'brian')],
    ['another user of the same instance', scope('django2', 'graham')],
    ['a user whose name begins the same', scope('django2', 'brian.o')],
    ['nobody', scope('django2')],
    ['an instance whose name begins the same', scope('django', 'brian')],
  ])('does not come to %s', (_what, other) => {
    const cookies = returned(brian().toBrowser('sessionid=abc; HttpOnly'))
    expect(other.toInstance(`a=1; ${cookies}; b=2`)).toBe('a=1; b=2')
    expect(other.toInstance(cookies)).toBeUndefined()
  })

  it('keeps its name when it belongs to one with a name that needs encoding', () => {
    const user = scope('django2', 'a+b@example.com')
    const [sent] = user.toBrowser('sid=1; HttpOnly')
    expect(sent).toBe('mux~django2~a%2Bb%40example.com~sid=1; HttpOnly')
    expect(user.toInstance('mux~django2~a%2Bb%40example.com~sid=1')).toBe('sid=1')
  })

  it('is neither made of the value of another, as a line behind a comma, nor left in it', () => {
    const header = 'a=1, __Host-mux=x, __Host-mux~django2~brian~sid=y; b=2, 3; c=4,mux~django1~graham~sid=z'
    expect(brian().toInstance(header)).toBe('a=1; b=2, 3; c=4')
    expect(SHARED_COOKIES.toInstance('a=1, __Host-mux=x; b=2')).toBe('a=1; b=2')
  })

  it.each([
    'mux~django2~brian~__Host-mux=x',
    '__Host-mux~django2~brian~mux=x',
    'mux~django2~brian~CF_Authorization=x',
    'mux~django2~brian~mux~django1~graham~sid=x',
  ])('does not make one of %s that no instance can set', (made) => {
    expect(brian().toInstance(`a=1; ${made}`)).toBe('a=1')
  })

  it('goes before one of the same name that a script has set', () => {
    const cookies = 'sessionid=planted; mux~django2~brian~sessionid=true; sessionid=again'
    expect(brian().toInstance(cookies)).toBe('sessionid=true')
  })

  it.each([
    'sessionid=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax',
    'sessionid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
  ])('is removed by %j too, in which frameworks do not say that it was', (set) => {
    const [plain, scoped, ...more] = brian().toBrowser(set)
    expect([plain, more]).toEqual([set, []])
    expect(scoped).toBe(`mux~django2~brian~${set}`)
  })

  it('makes way for one of the same name that scripts are to read from now on', () => {
    const exchange = brian()
    exchange.toInstance('mux~django2~brian~theme=dark')
    expect(exchange.toBrowser('theme=light; Path=/app; Secure; SameSite=Lax')).toEqual([
      'theme=light; Path=/app; Secure; SameSite=Lax',
      'mux~django2~brian~theme=; Max-Age=0; Path=/app; Secure',
    ])
  })
})

describe('a cookie that scripts read', () => {
  it.each(['csrftoken=abc; Path=/; SameSite=Lax', 'a=', 'a="x; y', 'nameless', '=nameless', ' odd = b c '])(
    'keeps its name and every byte: %j',
    (set) => {
      expect(brian().toBrowser(set)).toEqual([set])
    },
  )

  it('keeps its place and its bytes on the way to the instance, around what is taken out', () => {
    const header = 'a=1;b="2 3" ; __Host-mux=v1.x.y;  mux~django1~x~c=3; mux~django2~brian~d=4; e'
    expect(brian().toInstance(header)).toBe('a=1;b="2 3" ; d=4; e')
    expect(brian().toInstance('a=1; b=2')).toBe('a=1; b=2')
    expect(brian().toInstance('__Host-mux=v1.x.y')).toBeUndefined()
  })
})

it.each([
  'mux~django1~graham~sessionid=evil; Path=/',
  'mux~django1~graham~sessionid=evil; HttpOnly',
  'MUX~django1~graham~sessionid=evil',
  '__Host-mux~django1~graham~sessionid=evil; Secure; Path=/',
  '__HOST-mux~django1~graham~sessionid=evil; Secure; Path=/',
  '=mux~django1~graham~sessionid=evil',
  ' = =mux~django1~graham~sessionid=evil',
  'mux~django1~graham~sessionid',
  ' mux~django1~graham~sessionid=evil',
])('an instance plants nothing in the name of another one by %j', (set) => {
  expect(brian().toBrowser(set)).toEqual([])
})

it('what a browser has of somebody else can be named and removed, but for the session that is being set', () => {
  const header =
    'csrftoken=a; __Host-mux=v1.x.y; __Host-b=1; mux~django2~brian~sessionid=s; nameless; b\u00e4d=1; csrftoken=b'
  expect(removeAll(header)).toEqual([
    'csrftoken=; Max-Age=0; Path=/; Secure',
    '__Host-b=; Max-Age=0; Path=/; Secure',
    'mux~django2~brian~sessionid=; Max-Age=0; Path=/; Secure',
  ])
  expect(removeAll('')).toEqual([])
})

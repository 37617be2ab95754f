import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseAuthorization } from './credentials.ts'
import { createToken } from './tokens.ts'

/** Microseconds: far more than one look at a megabyte takes, far less than one at each of its bytes for each of them. */
const QUADRATIC = 5_000_000

const base64 = (text: string | Uint8Array) => Buffer.from(text as string).toString('base64')
const basic = (user: string, password: string) => `Basic ${base64(`${user}:${password}`)}`

function kindOf(...values: string[]): string {
  return parseAuthorization(values).kind
}

describe('Basic credentials', () => {
  it.each([
    ['as browsers send it', basic('brian', 'sesame'), 'brian', 'sesame'],
    ['with the scheme in any case', basic('brian', 'sesame').replace('Basic', 'bAsIc'), 'brian', 'sesame'],
    ['with several blanks between', basic('brian', 'sesame').replace(' ', '    '), 'brian', 'sesame'],
    ['with blanks around it', ` ${basic('brian', 'sesame')} \t `, 'brian', 'sesame'],
    ['with colons in the password', basic('brian', 'a:b::c'), 'brian', 'a:b::c'],
    ['with a colon at the end', basic('brian', ':'), 'brian', ':'],
    ['beyond ASCII', basic('jürgen', 'пароль🔑'), 'jürgen', 'пароль🔑'],
    ['not normalised', basic('ju\u0308rgen', 'e\u0301'), 'ju\u0308rgen', 'e\u0301'],
    ['with a byte order mark', basic('\ufeffbrian', '\ufeffx'), '\ufeffbrian', '\ufeffx'],
    ['with blanks inside', basic(' brian ', ' open sesame '), ' brian ', ' open sesame '],
    ['without padding needed', basic('ab', 'cdef'), 'ab', 'cdef'],
    ['with one padding character', basic('ab', 'cde'), 'ab', 'cde'],
    ['with two padding characters', basic('ab', 'cd'), 'ab', 'cd'],
    ['at the longest', basic('u'.repeat(256), 'p'.repeat(1024)), 'u'.repeat(256), 'p'.repeat(1024)],
  ])('are read %s', (_how, value, user, password) => {
    expect(parseAuthorization([value])).toMatchObject({ kind: 'basic', user, password })
  })

  it.each([
    ['no credentials', 'Basic'],
    ['padding alone', 'Basic ='],
    ['the wrong alphabet', 'Basic !!!!'],
    ['base64url', `Basic ${base64('brian:???>>>').replaceAll('/', '_').replaceAll('+', '-')}`],
    ['no padding where there should be', `Basic ${base64('ab:cd').replace(/=+$/, '')}`],
    ['padding where there should be none', `Basic ${base64('ab:cdef')}=`],
    ['bits after the end', `Basic ${base64('ab:c').replace(/.==$/, 'z==')}`],
    ['blanks inside', `Basic ${base64('brian:sesame').replace(/^..../, '$& ')}`],
    ['a line feed inside', `Basic ${base64('brian:sesame').replace(/^..../, '$&\n')}`],
    ['a NUL at the end', `${basic('brian', 'sesame')}\0`],
    ['a parameter', `${basic('brian', 'sesame')}; charset=UTF-8`],
    ['a tab between', basic('brian', 'sesame').replace(' ', '\t')],
    ['no colon', `Basic ${base64('brian')}`],
    ['nothing', `Basic ${base64('')}`],
    ['an empty user', basic('', 'sesame')],
    ['an empty password', basic('brian', '')],
    ['both empty', basic('', '')],
    ['CR in the user', basic('bri\ran', 'sesame')],
    ['LF in the password', basic('brian', 'ses\name')],
    ['NUL in the user', basic('brian\0', 'sesame')],
    ['NUL in the password', basic('brian', '\0')],
    ['DEL in the password', basic('brian', 'sesame\x7f')],
    ['escape in the user', basic('\x1b[2Jbrian', 'sesame')],
    ['Latin-1', `Basic ${base64(Buffer.from('jürgen:sesame', 'latin1'))}`],
    ['overlong UTF-8', `Basic ${base64(Buffer.from([0x61, 0x3a, 0xc0, 0xaf]))}`],
    ['a surrogate in UTF-8', `Basic ${base64(Buffer.from([0x61, 0x3a, 0xed, 0xa0, 0x80]))}`],
    ['too long a user', basic('u'.repeat(257), 'p')],
    ['too long a password', basic('u', 'p'.repeat(1025))],
    ['a comma after it', `${basic('brian', 'sesame')},`],
    ['another one after a comma', `${basic('brian', 'sesame')}, ${basic('graham', 'x')}`],
    ['a token after a comma', `${basic('brian', 'sesame')}, Bearer ${createToken().token}`],
    ['another one after a comma and another scheme', `Digest a="b", ${basic('brian', 'sesame')}`],
    ['one after a comma and nothing', `,${basic('brian', 'sesame')}`],
  ])('sign nobody in with %s', (_what, value) => {
    expect(kindOf(value)).toBe('invalid')
  })

  it('sign nobody in when there are two lines, even if both are the same', () => {
    const value = basic('brian', 'sesame')
    expect(kindOf(value, basic('graham', 'x'))).toBe('invalid')
    expect(kindOf(value, value)).toBe('invalid')
    expect(kindOf('', value)).toBe('invalid')
    expect(kindOf('Digest x', value)).toBe('invalid')
  })

  it.each([
    ['a password of 1 MiB', basic('brian', 'p'.repeat(2 ** 20))],
    ['a user name of 1 MiB', basic('u'.repeat(2 ** 20), 'p')],
    ['1 MiB of blanks', `Basic${' '.repeat(2 ** 20)}x`],
    ['1 MiB of commas', `Digest ${', '.repeat(2 ** 19)}x`],
    ['1 MiB of scheme', 'B'.repeat(2 ** 20)],
  ])('cost nothing to refuse with %s', (_what, value) => {
    const before = process.cpuUsage()
    expect(kindOf(value)).not.toBe('basic')
    expect(process.cpuUsage(before).user).toBeLessThan(QUADRATIC)
  })

  it('stay out of whatever prints them', () => {
    const credentials = parseAuthorization([basic('brian', 'open-sesame')])
    expect(inspect(credentials, { showHidden: true, depth: 9 })).not.toContain('sesame')
    expect(JSON.stringify(credentials)).not.toContain('sesame')
    expect(JSON.stringify(Object.assign({}, credentials))).not.toContain('sesame')
  })
})

describe('Bearer credentials', () => {
  it('are read when they are a token of mux', () => {
    const { token } = createToken()
    expect(parseAuthorization([`Bearer ${token}`])).toMatchObject({ kind: 'bearer', token })
    expect(parseAuthorization([`bEARER   ${token} `])).toMatchObject({ kind: 'bearer', token })
  })

  it('are meant for the instance when they are not', () => {
    expect(kindOf('Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc')).toBe('foreign')
    expect(kindOf('Bearer')).toBe('foreign')
    expect(kindOf('Bearer MUX_1')).toBe('foreign')
  })

  it.each([
    ['a token that was cut off', createToken().token.slice(0, -1)],
    ['a token with something after it', `${createToken().token}x`],
    ['a token with a blank after it', `${createToken().token} x`],
    ['two tokens', `${createToken().token}, Bearer ${createToken().token}`],
    ['a token of somebody else and Basic', `abc, ${basic('brian', 'sesame')}`],
  ])('sign nobody in, and are not passed on, with %s', (_what, value) => {
    expect(kindOf(`Bearer ${value}`)).toBe('invalid')
  })

  it('stay out of whatever prints them', () => {
    const { token } = createToken()
    const credentials = parseAuthorization([`Bearer ${token}`])
    expect(inspect(credentials, { showHidden: true })).not.toContain(token)
    expect(JSON.stringify(credentials)).not.toContain(token)
  })
})

describe('an Authorization header', () => {
  it('that is absent is no credential', () => {
    expect(kindOf()).toBe('none')
  })

  it.each([
    'Digest username="brian", realm="notes", uri="/"',
    'Negotiate YIIZ+wYGKwYBBQUCoIIZ7zCCGeugMDAu',
    'AWS4-HMAC-SHA256 Credential=AKIA/20261122/eu/s3/aws4_request, SignedHeaders=host, Signature=fe5f80',
    'Basically anything',
    'token',
    '',
    '  ',
  ])('%j is meant for the instance', (value) => {
    expect(kindOf(value)).toBe('foreign')
  })

  it.each([':', 'Basic:abc', '"Basic" abc', '\u00a0Basic abc', 'B\u0430sic abc'])(
    '%j is malformed',
    (value) => {
      expect(kindOf(value)).toBe('invalid')
    },
  )
})

import { describe, expect, it } from 'vitest'
import { readHtpasswd } from './htpasswd.ts'

const BCRYPT = '$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.'
const APR1 = '$apr1$sa./9Zlt$T1lHcGqgTj6Uf5b7CkuLJ1'
const SHA = '{SHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U='
const SHA256 = '$5$sa./9Zlt$CyKdFjHUKEkCgQIQcN0d39u47VdfpqVC1cT7vHFt/i7'
const SHA512 =
  '$6$sa./9Zlt$Zehbp.lB4vMjyEvf3WiXCJA4bFnEzXZpxRgGtmX8fjTzgBohSF2IAwUY3je75GfUDFJyJqUJ.QUjIzeE0JoW8/'

describe('an htpasswd file', () => {
  it('gives every person of a known kind, whatever ends its lines', () => {
    const text = `# people\r\nGraham:${BCRYPT}\r\n\nbrian:${APR1}\neric:${SHA}\nmichael:${SHA256}\nterry:${SHA512}`
    const { entries, problems } = readHtpasswd(text)
    expect(problems).toEqual([])
    expect(entries.map(({ user, kind }) => `${user} ${kind}`)).toEqual([
      'graham bcrypt',
      'brian apr1',
      'eric sha1',
      'michael sha256-crypt',
      'terry sha512-crypt',
    ])
    expect(entries.map(({ hash }) => hash)).toEqual([BCRYPT, APR1, SHA, SHA256, SHA512])
  })

  it.each([
    ['DES crypt', 'x:abiQ6Ep3EYTHc', /DES/],
    ['the password itself', 'x:hunter2-hunter2', /password itself/],
    ['bcrypt that is cut off', `x:${BCRYPT.slice(0, -1)}`, /cut off/],
    ['bcrypt without its hash', `x:${BCRYPT.slice(0, 29)}`, /cut off/],
    ['apr1 that is cut off', `x:${APR1.slice(0, -1)}`, /cut off/],
    ['SHA that is cut off', `x:${SHA.slice(0, -2)}`, /cut off/],
    ['SHA-256 that is cut off', `x:${SHA256.slice(0, -1)}`, /cut off/],
    ['SHA-512 that is cut off', `x:${SHA512.slice(0, -40)}`, /cut off/],
    ['MD5 crypt', 'x:$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/', /does not know/],
    ['bcrypt that takes seconds', `x:${BCRYPT.replace('$05', '$15')}`, /more time/],
    ['no password', 'x:', /no password/],
    ['no colon', 'hunter2-hunter2', /no colon/],
    ['no name', `:${BCRYPT}`, /cannot be a user name/],
    ['a name that nobody can have', `a b:${BCRYPT}`, /"a b" cannot be a user name/],
    ['a field behind the hash', `x:${BCRYPT}:more`, /cut off/],
    ['somebody for the second time', `Brian:${SHA}`, /brian is in line 1 already/],
  ])('with %s is refused naming the line, and never what the password might be', (_what, line, reason) => {
    const { entries, problems } = readHtpasswd(`brian:${BCRYPT}\n${line}\n`)
    expect(entries).toHaveLength(1)
    expect(problems).toEqual([expect.stringMatching(/^line 2: /)])
    expect(problems[0]).toMatch(reason)
    expect(problems[0]).not.toMatch(/hunter2|abiQ6Ep|qjXMvb|T1lHcGq/)
  })
})

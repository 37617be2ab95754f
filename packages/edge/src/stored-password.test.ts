import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { parseStoredPassword } from './stored-password.ts'
import { verifyPassword } from './passwords.ts'

/** Made with `openssl passwd` and with crypt(3) of libxcrypt. */
const VECTORS: [kind: string, password: string, hash: string][] = [
  ['sha256-crypt', 'Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
  [
    'sha512-crypt',
    'Hello world!',
    '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
  ],
  [
    'sha256-crypt',
    'Hello world!',
    '$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA',
  ],
  [
    'sha512-crypt',
    'Hello world!',
    '$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
  ],
  ['sha256-crypt', 'a', '$5$sa./9Zlt$dfsFALQ.7I.TeNTiAE/KitWKx2z0ajQ/xUmYUu3ZH.1'],
  ['sha256-crypt', 'пароль-😀', '$5$sa./9Zlt$6CFmAYDBMUEG6L.rWTLjn/SIk/hi.AY9BcU5fEbfsj8'],
  ['sha256-crypt', 'x'.repeat(80), '$5$sa./9Zlt$B0yI9bOum9ZvWYy8fDWdmuo/.trf1b20UTMumyKo8I/'],
  [
    'sha512-crypt',
    'a',
    '$6$sa./9Zlt$GxbsjX.BlIBhh6EhEBCifd9lB/T9cEz8JHDzab9Wx.wHZhQRag7Tal9bHgBUZr2EYBenOLhFGCYk7sGEY6JJk1',
  ],
  [
    'sha512-crypt',
    'пароль-😀',
    '$6$sa./9Zlt$eFtCSIuxv.GfS32EkD6dYsdvf/Pzb7ilGofxHmg4U6lbB.Z89EZUTuyLQu3eR2zXabBjhAUufWye787FmQNO90',
  ],
  [
    'sha512-crypt',
    'x'.repeat(80),
    '$6$sa./9Zlt$663gmpb9yFFhKwHVt1j6668t9U6aWr4YnmfxH6qLx7O9xomE/0UB.SCJ0KzfmfxXt3ruIILC0F8.DMpQxvkkv/',
  ],
  ['apr1', 'a', '$apr1$sa./9Zlt$I61.KMZo4btZGqzMSdp7p1'],
  ['apr1', 'correct horse battery', '$apr1$sa./9Zlt$T1lHcGqgTj6Uf5b7CkuLJ1'],
  ['apr1', 'пароль-😀', '$apr1$sa./9Zlt$7gD.cMY0ioIm4tlAnsMSp0'],
  ['apr1', 'x'.repeat(80), '$apr1$sa./9Zlt$fBmmKseYgTIR25pHUVITp1'],
  ['bcrypt', 'correct horse battery', '$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.'],
  ['bcrypt', 'correct horse battery', '$2b$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.'],
  ['sha1', 'correct horse battery', '{SHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U='],
]

describe.each(VECTORS)('a hash of the kind %s, of %j', (kind, password, text) => {
  it('is of that password, and of no other', async () => {
    const stored = parseStoredPassword(text)!
    expect(stored.kind).toBe(kind)
    expect(await stored.matches(Buffer.from(password))).toBe(true)
    expect(await stored.matches(Buffer.from(`${password}x`))).toBe(false)
    expect(await stored.matches(Buffer.from(password.slice(1) || 'b'))).toBe(false)
  })

  it('that is cut off anywhere, or goes on, is no hash', () => {
    for (let length = 0; length < text.length; length += 1)
      expect(parseStoredPassword(text.slice(0, length))).toBeUndefined()
    expect(parseStoredPassword(`${text}a`)).toBeUndefined()
    expect(parseStoredPassword(`${text}\n`)).toBeUndefined()
  })

  it('is of nobody with its last character changed', async () => {
    const changed = text.replace(/.(=?)$/, (last, padding: string) => (last[0] === 'A' ? 'B' : 'A') + padding)
    expect(await parseStoredPassword(changed)!.matches(Buffer.from(password))).toBe(false)
  })
})

it.each([
  ['DES crypt', 'abiQ6Ep3EYTHc'],
  ['MD5 crypt', '$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/'],
  ['bcrypt of a version with a known fault', '$2x$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.'],
  ['bcrypt that takes seconds', '$2y$14$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.'],
  ['bcrypt without cost', '$2y$03$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.'],
  [
    'SHA-crypt that takes seconds',
    '$5$rounds=100001$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA',
  ],
  [
    'SHA-crypt with fewer rounds than there can be',
    '$5$rounds=999$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA',
  ],
  ['SHA-512 as long as SHA-256', '$6$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEl8'],
  ['salted SHA-1', '{SSHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U='],
  ['the password', 'correct horse battery'],
])('%s is no hash that is compared with', (_what, text) => {
  expect(parseStoredPassword(text)).toBeUndefined()
})

it('of two passwords that begin with the same 72 bytes, bcrypt tells the longer one that it cannot', async () => {
  // crypt(3) of 72 times x, which is also that of anything behind them.
  const text = '$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i'
  expect(await verifyPassword('x'.repeat(72), text)).toBe(true)
  expect(await verifyPassword('x'.repeat(80), text)).toBe(false)
  expect(await verifyPassword(`${'x'.repeat(72)}y`, text)).toBe(false)
})

it('a password typed on another keyboard is the same for a hash from elsewhere', async () => {
  expect(await verifyPassword('cafe\u0301', '$apr1$abcdefgh$YhhfHYyTkhkw0L/ECHfgR/')).toBe(true)
})

import { scryptSync } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { Problem } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import { MAX_PASSWORD_BYTES } from './credentials.ts'
import {
  HASHES_AT_ONCE,
  HASHES_WAITING,
  hashPassword,
  isOutdated,
  PasswordError,
  verifyPassword,
} from './passwords.ts'

const unpadded = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')

/** A hash made straight with Node's scrypt, and cheap unless asked otherwise. */
function hashOf(
  password: string,
  { ln = 4, r = 8, p = 1, salt = Buffer.from('saltsaltsaltsalt') } = {},
): string {
  const hash = scryptSync(password, salt, 32, { N: 2 ** ln, r, p, maxmem: 2 ** 28 })
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`
}

describe('a password', () => {
  it('is hashed with parameters in the string and a salt of its own, and verified by them', async () => {
    const [one, two] = await Promise.all([hashPassword('open sesame'), hashPassword('open sesame')])
    expect(one).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(one).not.toBe(two)
    expect(await verifyPassword('open sesame', one)).toBe(true)
    expect(await verifyPassword('open sesame', two)).toBe(true)
    expect(await verifyPassword('open Sesame', one)).toBe(false)
  })

  it('is the same typed on two keyboards', async () => {
    const phc = hashOf('caf\u00e9')
    expect(await verifyPassword('caf\u00e9', phc)).toBe(true)
    expect(await verifyPassword('cafe\u0301', phc)).toBe(true)
    expect(await verifyPassword('cafe', phc)).toBe(false)
    expect(await verifyPassword('cafe\u0301', await hashPassword('caf\u00e9'))).toBe(true)
  })

  it('counts in full up to its last byte', async () => {
    const longest = 'x'.repeat(MAX_PASSWORD_BYTES)
    const phc = hashOf(longest)
    expect(await verifyPassword(longest, phc)).toBe(true)
    expect(await verifyPassword(`${longest.slice(0, -1)}y`, phc)).toBe(false)
    expect(await verifyPassword(`${longest}x`, phc)).toBe(false)
  })

  const UNUSABLE = [
    ['empty', ''],
    ['too long', 'x'.repeat(1025)],
    ['too long in UTF-8', '€'.repeat(342)],
    ['a megabyte', 'x'.repeat(2 ** 20)],
    ['with a line feed', 'open\nsesame'],
    ['with a NUL', 'open\0'],
    ['with a DEL', '\x7f'],
    ['with half a surrogate pair', 'x\ud83d'],
  ]
  it.each(UNUSABLE)('that is %s is not taken', async (_what, password) => {
    await expect(hashPassword(password)).rejects.toBeInstanceOf(PasswordError)
    await expect(hashPassword(password)).rejects.toMatchObject({ code: 'password_unusable' })
    const error: unknown = await hashPassword(password).catch((caught: unknown) => caught)
    expect(password === '' || !String(error).includes(password)).toBe(true)
  })

  it.each(UNUSABLE)('that is %s is never right, and not even hashed', async (_what, password) => {
    expect(await verifyPassword(password, hashOf(password))).toBe(false)
    const costly = hashOf('sesame').replace('ln=4,r=8,p=1', 'ln=14,r=8,p=8')
    const before = process.cpuUsage()
    expect(await verifyPassword(password, costly)).toBe(false)
    expect(cpuSince(before)).toBeLessThan(50)
  })
})

describe('a stored password', () => {
  it.each([
    { ln: 4, r: 8, p: 1 },
    { ln: 15, r: 8, p: 1 },
    { ln: 17, r: 8, p: 1 },
    { ln: 15, r: 1, p: 2 },
  ])('of other parameters (%j) is verified by these', async (parameters) => {
    const phc = hashOf('sesame', parameters)
    expect(await verifyPassword('sesame', phc)).toBe(true)
    expect(await verifyPassword('sesam', phc)).toBe(false)
  })

  const good = hashOf('sesame')
  it.each([
    ['more work than a Worker may do', good.replace('ln=4,r=8', 'ln=18,r=8')],
    ['more work by r', good.replace('r=8', 'r=999').replace('ln=4', 'ln=14')],
    ['more work by p', good.replace('p=1', 'p=999').replace('ln=4', 'ln=14')],
    ['more work than there is time', good.replace('ln=4', 'ln=63')],
    ['more cost than its r allows', good.replace('ln=4,r=8', 'ln=16,r=1')],
    ['no cost', good.replace('ln=4', 'ln=0')],
    ['a negative cost', good.replace('ln=4', 'ln=-4')],
    ['a cost in another notation', good.replace('ln=4', 'ln=4e0')],
    ['parameters in another order', good.replace('ln=4,r=8', 'r=8,ln=4')],
    ['no parameters', good.replace('ln=4,r=8,p=1', '')],
    ['another scheme', good.replace('scrypt', 'argon2id')],
    ['another hash', good.replace(/[^$]{43}$/, 'A'.repeat(43))],
    ['no hash', good.replace(/[^$]+$/, '')],
    ['a short hash', good.replace(/[^$]+$/, 'AAAA')],
    ['no salt', good.replace(/\$[^$]+(?=\$[^$]+$)/, '$')],
    ['an htpasswd hash', '$apr1$x$y'],
    ['the password itself', 'sesame'],
    ['nothing', ''],
    ['a line feed at the end', `${good}\n`],
  ])('with %s is no one’s, and nothing throws', async (_what, phc) => {
    expect(await verifyPassword('sesame', phc)).toBe(false)
  })

  it('that is absent is no one’s, not even with the comparison value of nobody', async () => {
    expect(await verifyPassword('sesame', null)).toBe(false)
    expect(await verifyPassword('\0'.repeat(32), null)).toBe(false)
  })
})

describe('a hash', () => {
  it('that is made today is not to be replaced', async () => {
    expect(isOutdated(await hashPassword('sesame'))).toBe(false)
  })

  it.each([
    ['weaker in N', hashOf('x', { ln: 13, p: 5 }), true],
    ['weaker in p', hashOf('x', { ln: 14, p: 1 }), true],
    ['from htpasswd', '{SHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U=', true],
    ['as strong in other parameters', hashOf('x', { ln: 17 }), false],
    ['that cannot be used, and so proves nobody', 'x', false],
  ])('%s', (_what, hash, outdated) => {
    expect(isOutdated(hash)).toBe(outdated)
  })
})

describe('hashing passwords', () => {
  it('leaves the event loop free', async () => {
    const phc = await hashPassword('sesame')
    let ticks = 0
    const ticking = setInterval(() => (ticks += 1), 1)
    await Promise.all(Array.from({ length: 6 }, () => verifyPassword('wrong', phc)))
    clearInterval(ticking)
    // If it were hashed on the loop, that would turn once or twice for each.
    expect(ticks).toBeGreaterThan(50)
  })

  it('leaves a processor to those who are signed in, wherever there are two', () => {
    expect(HASHES_AT_ONCE).toBeGreaterThanOrEqual(1)
    expect(HASHES_AT_ONCE).toBeLessThanOrEqual(Math.max(1, availableParallelism() - 1))
    // And threads of libuv's four to files and names.
    expect(HASHES_AT_ONCE).toBeLessThanOrEqual(2)
  })

  it(
    'sends away whoever finds too many waiting, and answers all the others',
    { timeout: 60_000 },
    async () => {
      const phc = hashOf('sesame', { ln: 10 })
      const results = await Promise.allSettled(
        Array.from({ length: 200 }, () => verifyPassword('sesame', phc)),
      )
      const refused = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
      // Fewer wait on a machine that has been slow to hash until now.
      expect(refused.length).toBeGreaterThanOrEqual(200 - HASHES_AT_ONCE - HASHES_WAITING)
      for (const { reason } of refused) {
        expect(reason).toBeInstanceOf(Problem)
        expect(reason).toMatchObject({ code: 'rate_limited', retryAfter: expect.any(Number) })
      }
      const answers = results.filter((result) => result.status === 'fulfilled').map(({ value }) => value)
      expect(answers).toEqual(answers.map(() => true))
      expect(await verifyPassword('sesame', phc)).toBe(true)
    },
  )
})

/** Milliseconds of processor time of all threads. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

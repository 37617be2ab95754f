import type { UserRecord } from '@mux/contract'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createPasswordMemory, type PasswordMemory } from './password-memory.ts'
import { NO_REHASH } from './rehash.ts'
import { hashPassword, verifyPassword } from './passwords.ts'

let phc: string
beforeAll(async () => {
  phc = await hashPassword('sesame')
})

let clock: number
let memory: PasswordMemory
beforeEach(() => {
  clock = 1_795_000_000_000
  memory = createPasswordMemory({ rehash: NO_REHASH, now: () => clock })
})

const record = (changes: Partial<UserRecord> = {}): UserRecord => ({
  v: 1,
  instance: null,
  target: null,
  password: phc,
  disabled: false,
  version: 1,
  changed: '2026-11-22T10:00:00Z',
  ...changes,
})

/** The answer, and the processor time of all threads that it took, in milliseconds. */
async function measure(user: string, password: string, of: UserRecord | undefined) {
  const before = process.cpuUsage()
  const right = await memory.verify(user, password, of)
  const { user: inUser, system } = process.cpuUsage(before)
  return { right, cost: (inUser + system) / 1000 }
}

describe('the memory of passwords', () => {
  it('keeps alive what others may wait for, once for all of them, and never fails by that', async () => {
    const kept: Promise<unknown>[] = []
    const keepAlive = (work: Promise<unknown>) => kept.push(work)
    memory = createPasswordMemory({ rehash: NO_REHASH, keepAlive, now: () => clock })
    const all = Array.from({ length: 3 }, () => memory.verify('brian', 'sesame', record()))
    expect(await Promise.all(all)).toEqual([true, true, true])
    expect(await memory.verify('brian', 'sesame', record())).toBe(true)
    expect(kept).toHaveLength(1)
    const unusable = record({ password: 'no hash at all' })
    await memory.verify('brian', 'sesame', unusable).catch(() => {})
    await expect(Promise.all(kept)).resolves.toBeDefined()
  })

  it('hashes a right one once', async () => {
    const first = await measure('brian', 'sesame', record())
    const again = await measure('brian', 'sesame', record())
    expect([first.right, again.right]).toEqual([true, true])
    expect(again.cost).toBeLessThan(first.cost / 10)
  })

  it('hashes a wrong one every time', async () => {
    const first = await measure('brian', 'wrong', record())
    const again = await measure('brian', 'wrong', record())
    expect([first.right, again.right]).toEqual([false, false])
    expect(again.cost).toBeGreaterThan(first.cost / 3)
  })

  it(
    'takes as long for nobody, a disabled user, none and an unusable hash as for a wrong one',
    { timeout: 60_000 },
    async () => {
      const cases: [string, UserRecord | undefined][] = [
        ['a wrong password', record()],
        ['nobody', undefined],
        ['somebody disabled', record({ disabled: true })],
        ['somebody who has no password', record({ password: null })],
        ['a hash that cannot be used', record({ password: 'x' })],
      ]
      const costs = cases.map(() => [] as number[])
      // In turns, so that whatever else the machine does meets all of them alike.
      for (let trial = 0; trial < 5; trial += 1)
        for (const [at, [, of]] of cases.entries())
          costs[at]!.push((await measure('brian', `wrong${trial}`, of)).cost)
      const medians = costs.map((all) => all.toSorted((a, b) => a - b)[2]!)
      const told = cases.map(([what], at) => `${what}: ${medians[at]!.toFixed(0)} ms`).join(', ')
      expect(Math.max(...medians) / Math.min(...medians), told).toBeLessThan(1.25)
    },
  )

  it('shares one hash among a hundred requests that come at once with the same credential', async () => {
    const single = await measure('graham', 'sesame', record())
    const before = process.cpuUsage()
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => memory.verify('brian', 'sesame', record())),
    )
    const { user, system } = process.cpuUsage(before)
    expect(answers).toEqual(answers.map(() => true))
    expect((user + system) / 1000).toBeLessThan(single.cost * 3)
  })

  it('does not answer for another user, another password or another one’s hash', async () => {
    expect(await memory.verify('brian', 'sesame', record())).toBe(true)
    expect(await memory.verify('brian', 'sesam', record())).toBe(false)
    expect(await memory.verify('graham', 'sesame', record({ password: await hashPassword('other') }))).toBe(
      false,
    )
  })

  it.each([
    ['disabled', { disabled: true, version: 2 }],
    ['left without a password', { password: null, version: 2 }],
    ['disabled without a new version', { disabled: true }],
    ['left without a password without a new version', { password: null }],
  ])('forgets at once when the user is %s', async (_what, changes) => {
    expect(await memory.verify('brian', 'sesame', record())).toBe(true)
    expect(await memory.verify('brian', 'sesame', record(changes))).toBe(false)
  })

  it('forgets at once when the user is removed, or the password changed', async () => {
    expect(await memory.verify('brian', 'sesame', record())).toBe(true)
    expect(await memory.verify('brian', 'sesame', undefined)).toBe(false)
    const changed = record({ password: await hashPassword('other'), version: 2 })
    expect(await memory.verify('brian', 'sesame', changed)).toBe(false)
    expect(await memory.verify('brian', 'other', changed)).toBe(true)
  })

  it('carries over from one version of the record to the next, and not from one epoch to the next', async () => {
    const first = await measure('brian', 'sesame', record())
    const moved = await measure('brian', 'sesame', record({ version: 2, epoch: 1 }))
    expect(moved.right).toBe(true)
    expect(moved.cost).toBeLessThan(first.cost / 3)
    const next = await measure('brian', 'sesame', record({ version: 2 }))
    expect(next.right).toBe(true)
    expect(next.cost).toBeGreaterThan(first.cost / 3)
  })

  it('is over after an hour', async () => {
    const first = await measure('brian', 'sesame', record())
    clock += 60 * 60 * 1000 - 1
    expect((await measure('brian', 'sesame', record())).cost).toBeLessThan(first.cost / 10)
    clock += 1
    const later = await measure('brian', 'sesame', record())
    expect(later.right).toBe(true)
    expect(later.cost).toBeGreaterThan(first.cost / 3)
  })

  it('goes on after hashing was refused because too many waited', async () => {
    const cheap = record({ password: phc.replace('ln=14', 'ln=4') })
    const flood = Array.from({ length: 200 }, (_, index) => memory.verify('brian', `wrong${index}`, cheap))
    const refused = memory.verify('brian', 'sesame', record())
    await expect(refused).rejects.toMatchObject({ code: 'rate_limited' })
    await Promise.allSettled(flood)
    expect(await memory.verify('brian', 'sesame', record())).toBe(true)
  })

  it('hashes what one still waits for, though whoever asked first has gone away', async () => {
    const cheap = record({ password: phc.replace('ln=14', 'ln=4') })
    const before = Array.from({ length: 3 }, () => verifyPassword('wrong', null))
    const first = { isGone: false }
    const answers = [
      memory.verify('brian', 'wrong', cheap, first),
      memory.verify('brian', 'wrong', cheap, { isGone: false }),
    ]
    first.isGone = true
    expect(await Promise.all(answers)).toEqual([false, false])
    await Promise.all(before)
  })
})

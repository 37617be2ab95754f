import { describe, expect, it } from 'vitest'
import { nameOf } from './fixtures/laboratory.ts'
import { PoolFull, type SlotHolder, Slots } from './slots.ts'

class Tenant implements SlotHolder {
  readonly name
  since: number | null = null
  leaving = false
  constructor(name: string, since: number | null = null) {
    this.name = nameOf(name)
    this.since = since
  }
  idleSince() {
    return this.since
  }
  isLeaving() {
    return this.leaving
  }
  makeRoom() {
    this.leaving = true
  }
}

const open = () => new AbortController().signal

async function occupied(max: number, ...tenants: Tenant[]): Promise<Slots> {
  const slots = new Slots(max)
  for (const tenant of tenants) await slots.take(tenant, open())
  return slots
}

describe('at the cap', () => {
  it('the longest idle instance makes room, and its slot goes over when it is gone', async () => {
    const [recent, longest, busy] = [new Tenant('a', 200), new Tenant('b', 100), new Tenant('c')]
    const slots = await occupied(3, recent, longest, busy)
    const newcomer = new Tenant('d')
    let admitted = false
    const taken = slots.take(newcomer, open()).then(() => (admitted = true))
    expect([recent.leaving, longest.leaving, busy.leaving]).toEqual([false, true, false])
    await Promise.resolve()
    expect(admitted).toBe(false)
    slots.release(longest)
    await taken
    expect(slots.used).toBe(3)
  })

  it('nobody busy is stopped, and the newcomer is refused at once', async () => {
    const slots = await occupied(1, new Tenant('a'))
    await expect(slots.take(new Tenant('b'), open())).rejects.toThrow(PoolFull)
    expect(slots.used).toBe(1)
  })

  it('two newcomers have two instances stopped, a third is refused', async () => {
    const [a, b] = [new Tenant('a', 1), new Tenant('b', 2)]
    const slots = await occupied(2, a, b)
    const taken = [slots.take(new Tenant('c'), open()), slots.take(new Tenant('d'), open())]
    expect([a.leaving, b.leaving]).toEqual([true, true])
    await expect(slots.take(new Tenant('e'), open())).rejects.toThrow(PoolFull)
    slots.release(b)
    slots.release(a)
    await Promise.all(taken)
  })

  it('what is being stopped anyway is waited for, and nobody else is stopped', async () => {
    const [a, b] = [new Tenant('a', 1), new Tenant('b', 2)]
    const slots = await occupied(2, a, b)
    b.leaving = true
    const taken = slots.take(new Tenant('c'), open())
    expect(a.leaving).toBe(false)
    slots.release(b)
    await taken
  })

  it('a newcomer that gives up leaves its turn to the next', async () => {
    const a = new Tenant('a', 1)
    const slots = await occupied(1, a)
    const giving = new AbortController()
    const given = slots.take(new Tenant('b'), giving.signal)
    giving.abort(new Error('stopped'))
    await expect(given).rejects.toThrow('stopped')
    const next = slots.take(new Tenant('c'), open())
    slots.release(a)
    await next
    expect(slots.used).toBe(1)
  })

  it('one that is only wanted if there is room stops nobody', async () => {
    const a = new Tenant('a', 1)
    const slots = await occupied(1, a)
    expect(() => slots.takeFree(new Tenant('b'))).toThrow(PoolFull)
    expect(a.leaving).toBe(false)
  })

  it('whoever has a slot keeps it, and gives back one', async () => {
    const a = new Tenant('a', 1)
    const slots = await occupied(1, a)
    await slots.take(a, open())
    slots.takeFree(a)
    expect(slots.used).toBe(1)
    slots.release(a)
    slots.release(a)
    expect(slots.used).toBe(0)
  })
})

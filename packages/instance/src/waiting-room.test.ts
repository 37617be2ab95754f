import { describe, expect, it } from 'vitest'
import { Problem } from '@mux/contract'
import type { Lease } from './lease.ts'
import { WaitingRoom } from './waiting-room.ts'

const limits = { queue: 3, hold: 10_000 }
const patient = (signal = new AbortController().signal) => ({ signal, navigation: false })
const lease = {} as Lease

describe('a waiting room', () => {
  it('lets everybody in in the order in which they came', async () => {
    const room = new WaitingRoom(() => 'Soon.')
    const order: number[] = []
    const visits = [1, 2, 3].map((n) => room.enter(patient(), limits).then(() => order.push(n)))
    const leases: number[] = []
    room.admit(() => {
      leases.push(leases.length)
      return lease
    })
    await Promise.all(visits)
    expect(order).toEqual([1, 2, 3])
    expect(leases).toHaveLength(3)
    expect(room.size).toBe(0)
  })

  it('refuses one too many, spread over some seconds, and has a place again when a client goes away', async () => {
    const room = new WaitingRoom(() => 'Soon.')
    const leaving = new AbortController()
    const left = room.enter(patient(leaving.signal), limits)
    const others = [room.enter(patient(), limits), room.enter(patient(), limits)]
    expect(() => room.enter(patient(), limits)).toThrow(expect.objectContaining({ code: 'instance_busy' }))
    leaving.abort(new Error('the client has gone'))
    await expect(left).rejects.toThrow('the client has gone')
    others.push(room.enter(patient(), limits))
    room.admit(() => lease)
    await Promise.all(others)
  })

  it('takes nobody in who has gone already', () => {
    expect(() => new WaitingRoom(() => 'Soon.').enter(patient(AbortSignal.abort()), limits)).toThrow(/abort/)
  })

  it('holds a request for as long as the limit says, and not longer', async () => {
    const room = new WaitingRoom(() => 'Soon.')
    const began = performance.now()
    await expect(room.enter(patient(), { queue: 1, hold: 100 })).rejects.toMatchObject({
      code: 'instance_start_timeout',
    })
    expect(performance.now() - began).toBeGreaterThan(95)
    expect(room.size).toBe(0)
  })

  it('tells a browser after 1.5 s that the instance is starting, and when to come back', async () => {
    const began = performance.now()
    const visit = new WaitingRoom(() => 'Soon.').enter({ ...patient(), navigation: true }, limits)
    await expect(visit).rejects.toMatchObject({
      code: 'instance_starting',
      retryAfter: 1,
      detail: 'Soon.',
    })
    expect(performance.now() - began).toBeGreaterThan(1_490)
  })

  it('tells everybody why nobody will be let in', async () => {
    const room = new WaitingRoom(() => 'Soon.')
    const visits = [room.enter(patient(), limits), room.enter(patient(), limits)]
    room.refuse(new Problem('instance_failed'))
    for (const visit of visits) await expect(visit).rejects.toMatchObject({ code: 'instance_failed' })
    expect(room.size).toBe(0)
  })
})

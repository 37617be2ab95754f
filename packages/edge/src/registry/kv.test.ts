import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LogEvent } from '../log-event.ts'
import { type KvExplorer, startKvExplorer } from './fixtures/kv-explorer.ts'
import { describeRegistry, USER } from './fixtures/registry-suite.ts'
import { type KvNamespace, kvRegistry } from './kv.ts'
import { RegistryError } from './registry.ts'

const HELD = 2_000
let explorer: KvExplorer
beforeAll(async () => {
  explorer = await startKvExplorer()
})
afterAll(() => explorer.close())

/** The real namespace, counting what is asked of it. */
let asked: { key: string; options: unknown }[]
const counting: KvNamespace = {
  get: (key, options) => {
    asked.push({ key, options })
    return explorer.namespace.get(key, options)
  },
}

// The limits on a reading are for the platform: what stands in for it here may take longer on a busy machine.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

let clock: number
let log: LogEvent[]
const OPTIONS = { keepAlive: () => {}, log: (event: LogEvent) => log.push(event), now: () => clock }
beforeEach(async () => {
  asked = []
  log = []
  clock = 1_795_000_000_000
  await explorer.empty()
})

describeRegistry('Workers KV', async () => ({
  registry: kvRegistry(counting, OPTIONS),
  put: async (kind, name, text) => {
    if (text === null) await explorer.namespace.delete(`${kind}:${name}`)
    else await explorer.namespace.put(`${kind}:${name}`, text)
    clock += HELD
  },
  close: async () => {},
}))

describe('the registry in Workers KV, sparing KV', () => {
  it('asks with the shortest cache time that the platform takes, by the key of the record', async () => {
    await kvRegistry(counting, OPTIONS).read('user', 'brian')
    expect(asked).toEqual([{ key: 'user:brian', options: { type: 'text', cacheTtl: 30 } }])
  })

  it.each([
    ['a record that is there', 'brian'],
    ['one that is not', 'nobody'],
  ])('asks once within five seconds for %s', async (_what, name) => {
    await explorer.namespace.put('user:brian', JSON.stringify(USER))
    const registry = kvRegistry(counting, OPTIONS)
    const first = await registry.read('user', name)
    clock += HELD - 1
    expect(await registry.read('user', name)).toEqual(first)
    expect(asked).toHaveLength(1)
    clock += 1
    await registry.read('user', name)
    expect(asked).toHaveLength(2)
  })
})

describe('the registry in Workers KV, when KV gives what it has remembered', () => {
  const BOUND = 32_000

  /** A location of KV, which keeps what it was asked for, and that there is none, as long as it may. */
  function location(stored: Map<string, string>): KvNamespace {
    const kept = new Map<string, { value: string | null; until: number }>()
    return {
      get: async (key, { cacheTtl }) => {
        const found = kept.get(key)
        if (found !== undefined && clock < found.until) return found.value
        const value = stored.get(key) ?? null
        kept.set(key, { value, until: clock + cacheTtl * 1000 })
        return value
      },
    }
  }

  const other = { ...USER, version: USER.version + 1, password: null }
  it.each([
    ['somebody is removed', USER, undefined],
    ['somebody has another password', USER, other],
    ['somebody is added who was asked for before', undefined, USER],
  ])('sees within 32 seconds that %s, however it is asked', async (_what, before, after) => {
    const text = (record: typeof USER | undefined) => (record === undefined ? [] : [JSON.stringify(record)])
    for (const interval of [100, 1999, 2001, 29_999, 31_000]) {
      const stored = new Map(text(before).map((value) => ['user:brian', value]))
      const registry = kvRegistry(location(stored), OPTIONS)
      // Right before the change, it is asked for and remembered by both.
      expect(await registry.read('user', 'brian')).toEqual(before)
      stored.clear()
      for (const value of text(after)) stored.set('user:brian', value)
      const changed = clock
      for (clock += interval; clock < changed + BOUND; clock += interval) await registry.read('user', 'brian')
      clock = changed + BOUND
      expect([interval, await registry.read('user', 'brian')]).toEqual([interval, after])
    }
  })
})

describe('the registry in Workers KV, when KV fails', () => {
  const broken = (get: KvNamespace['get']) => kvRegistry({ get }, OPTIONS)

  it('is unavailable, and does not say that there is no such user', async () => {
    const registry = broken(() => Promise.reject(new Error('KV GET failed: 503 Service Unavailable')))
    const reading = registry.read('user', 'brian')
    await expect(reading).rejects.toBeInstanceOf(RegistryError)
    await expect(reading).rejects.toMatchObject({ code: 'registry_unavailable' })
  })

  it('is unavailable when the binding throws at once', async () => {
    const registry = broken(() => {
      throw new TypeError('binding is gone')
    })
    await expect(registry.read('user', 'brian')).rejects.toMatchObject({ code: 'registry_unavailable' })
  })

  it('is back as soon as KV is', async () => {
    let fails = true
    const registry = broken(async () => {
      if (fails) throw new Error('down')
      return JSON.stringify(USER)
    })
    await expect(registry.read('user', 'brian')).rejects.toThrow(RegistryError)
    fails = false
    expect(await registry.read('user', 'brian')).toEqual(USER)
  })

  it('waits less than five seconds for an answer', async () => {
    const registry = broken(() => new Promise(() => {}))
    const failed = vi.fn<(error: unknown) => void>()
    registry.read('user', 'brian').catch(failed)
    await vi.advanceTimersByTimeAsync(3_900)
    expect(failed).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(failed).toHaveBeenCalledWith(expect.objectContaining({ code: 'registry_unavailable' }))
  })

  it('returns a slow answer that comes in time', async () => {
    const slow = () =>
      new Promise<string>((resolve) => {
        setTimeout(resolve, 300, JSON.stringify(USER))
      })
    const reading = broken(slow).read('user', 'brian')
    await vi.advanceTimersByTimeAsync(300)
    expect(await reading).toEqual(USER)
  })
})

describe('the registry in Workers KV, for many at once', () => {
  it('reads a record once for all that want it at the same time, and again when it was held long enough', async () => {
    await explorer.namespace.put('user:brian', JSON.stringify(USER))
    const registry = kvRegistry(counting, OPTIONS)
    for (let round = 1; round <= 2; round += 1) {
      const records = await Promise.all(Array.from({ length: 32 }, () => registry.read('user', 'brian')))
      expect(records).toEqual(Array(32).fill(USER))
      expect(asked).toHaveLength(round)
      clock += HELD
    }
  })

  it('tells all of them that it fails, and remembers no failure', async () => {
    let gets = 0
    const registry = kvRegistry({ get: () => ((gets += 1), Promise.reject(new Error('down'))) }, OPTIONS)
    const readings = Array.from({ length: 5 }, () => registry.read('user', 'brian'))
    const outcomes = await Promise.allSettled(readings)
    expect(outcomes.map(({ status }) => status)).toEqual(Array(5).fill('rejected'))
    expect(gets).toBe(1)
    await expect(registry.read('user', 'brian')).rejects.toThrow(RegistryError)
    expect(gets).toBe(2)
  })

  it('does not fetch a record for each request that cannot be used', async () => {
    await explorer.namespace.put('user:brian', '{"v":99}')
    const registry = kvRegistry(counting, OPTIONS)
    for (let i = 0; i < 5; i += 1) await expect(registry.read('user', 'brian')).rejects.toThrow('user:brian')
    expect(asked).toHaveLength(1)
  })

  it('keeps alive what it reads, since others may wait for it, and no longer than that', async () => {
    const kept: Promise<unknown>[] = []
    const registry = kvRegistry(counting, { ...OPTIONS, keepAlive: (reading) => kept.push(reading) })
    await registry.read('user', 'brian')
    await registry.read('user', 'brian')
    expect(kept).toHaveLength(1)
    await kept[0]
  })

  it('waits a second for what somebody else reads, who may be gone, and then reads it itself', async () => {
    const first = Promise.withResolvers<string>()
    let gets = 0
    const registry = kvRegistry(
      {
        get: () =>
          (gets += 1) === 1
            ? first.promise
            : new Promise((resolve) => setTimeout(resolve, 300, JSON.stringify(USER))),
      },
      OPTIONS,
    )
    const lost = registry.read('user', 'brian').catch(() => 'lost')
    const others = Promise.all(Array.from({ length: 8 }, () => registry.read('user', 'brian')))
    await vi.advanceTimersByTimeAsync(1_300)
    expect(await others).toEqual(Array(8).fill(USER))
    expect(gets).toBe(2)
    first.reject(new Error('gone'))
    expect(await lost).toBe('lost')
  })
})

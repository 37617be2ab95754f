import { parseUserName } from '@mux/contract'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { LogEvent } from '../log-event.ts'
import { USER } from './fixtures/registry-suite.ts'
import { type KvRegistry, kvRegistry } from './kv.ts'

const HELD = 2_000
const USER_NAME = parseUserName('brian')!

let clock: number
let log: LogEvent[]
const OPTIONS = { keepAlive: () => {}, log: (event: LogEvent) => log.push(event), now: () => clock }
beforeEach(() => {
  clock = 1_795_000_000_000
  log = []
})

describe('the registry in Workers KV, when it fails and something was known', () => {
  const RETRY = 5_000
  const LAST_KNOWN = 5 * 60_000
  const instance = { v: 1, host: 'east', origin: 'https://east.example', state: 'open', message: null }
  const route = { v: 1, instance: 'site', access: 'public' }
  const token = { v: 1, user: 'brian', sha256: '0'.repeat(64), expires: null, label: null, used: null }

  let fails: 'no' | 'throws' | 'hangs'
  let gets: string[]
  let registry: KvRegistry
  beforeEach(() => {
    fails = 'no'
    gets = []
    const values: Record<string, object> = {
      'user:brian': USER,
      'instance:site': instance,
      'route:*': route,
      'token:abcdefgh': token,
    }
    registry = kvRegistry(
      {
        get: async (key) => {
          gets.push(key)
          if (fails === 'throws') throw new Error('down')
          if (fails === 'hangs') return new Promise(() => {})
          return values[key] === undefined ? null : JSON.stringify(values[key])
        },
      },
      OPTIONS,
    )
  })

  it.each([
    ['user', 'brian'],
    ['user', 'nobody'],
    ['token', 'abcdefgh'],
  ] as const)('lets nobody in by what it knew of the %s %s', async (kind, name) => {
    await registry.read(kind, name)
    fails = 'throws'
    clock += HELD - 1
    await registry.read(kind, name)
    clock += 1
    await expect(registry.read(kind, name)).rejects.toMatchObject({ code: 'registry_unavailable' })
  })

  it.each([
    ['instance', 'site', instance],
    ['route', '*', route],
    ['route', 'none.example', undefined],
  ] as const)('goes on by the last known way of the %s %s for five minutes', async (kind, name, record) => {
    await registry.read(kind, name)
    fails = 'throws'
    clock += HELD
    const readings = Array.from({ length: 3 }, () => registry.read(kind, name))
    expect(await Promise.all(readings)).toEqual(Array(3).fill(record))
    expect(log).toMatchObject([{ event: 'registry_last_known', record: `${kind}:${name}`, age_ms: HELD }])
    // It is not asked again for each request.
    clock += RETRY - 1
    await registry.read(kind, name)
    expect(gets).toHaveLength(2)
    clock += LAST_KNOWN - HELD - RETRY
    expect(await registry.read(kind, name)).toEqual(record)
    clock += RETRY
    await expect(registry.read(kind, name)).rejects.toMatchObject({ code: 'registry_unavailable' })
  })

  it('waits a second for KV then, and takes what comes after that for the next one', async () => {
    await registry.read('route', '*')
    clock += HELD
    fails = 'hangs'
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const found = vi.fn<(record: unknown) => void>()
    const reading = registry.read('route', '*').then(found)
    await vi.advanceTimersByTimeAsync(999)
    expect(found).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(found).toHaveBeenCalledWith(route)
    await reading
    clock += RETRY
    fails = 'no'
    const next = registry.read('route', '*')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await next).toEqual(route)
  })
})

describe('the registry in Workers KV, when somebody knows better', () => {
  const other = { ...USER, version: USER.version + 1 }
  let present: object
  let gets: number
  let registry: KvRegistry
  beforeEach(async () => {
    present = USER
    gets = 0
    registry = kvRegistry({ get: async () => ((gets += 1), JSON.stringify(present)) }, OPTIONS)
    await registry.read('user', 'brian')
  })

  it('refuses a record that is older than what is expected, until KV has it', async () => {
    registry.expect(USER_NAME, other.version)
    for (let i = 0; i < 3; i += 1)
      await expect(registry.read('user', 'brian')).rejects.toMatchObject({
        code: 'registry_stale',
        retryAfter: 5,
      })
    expect(gets).toBe(2)
    present = other
    clock += HELD
    expect(await registry.read('user', 'brian')).toEqual(other)
  })

  it('expects no less for a word that came late, and of nobody else', async () => {
    registry.expect(USER_NAME, other.version)
    registry.expect(USER_NAME, other.version - 1)
    await expect(registry.read('user', 'brian')).rejects.toMatchObject({ code: 'registry_stale' })
    expect(await registry.read('user', 'graham')).toEqual(USER)
  })

  it('expects it for ten minutes and not for ever, whoever said so', async () => {
    registry.expect(USER_NAME, Number.MAX_SAFE_INTEGER)
    clock += 10 * 60_000 - 1
    await expect(registry.read('user', 'brian')).rejects.toMatchObject({ code: 'registry_stale' })
    clock += 1
    expect(await registry.read('user', 'brian')).toEqual(USER)
  })

  it('reads what is doubted anew, unless it has just done so', async () => {
    registry.doubt([['user', 'brian']])
    await registry.read('user', 'brian')
    expect(gets).toBe(1)
    clock += 500
    registry.doubt([['user', 'brian']])
    await registry.read('user', 'brian')
    expect(gets).toBe(2)
  })
})

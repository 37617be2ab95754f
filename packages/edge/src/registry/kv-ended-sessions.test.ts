import { parseUserName } from '@mux/contract'
import { beforeEach, expect, test } from 'vitest'
import type { EndedSessions } from '../ended-sessions.ts'
import type { Session } from '../session.ts'
import { kvEndedSessions } from './kv-ended-sessions.ts'

const START = 1_795_000_000
const SESSION: Session = {
  user: parseUserName('brian')!,
  epoch: 7,
  id: 'abc',
  issued: START,
  expires: START + 600,
  seen: START,
}

/** Workers KV, of which every isolate sees the same at once. */
class FakeKv {
  readonly values = new Map<string, number>()
  reads = 0
  fails = false

  async get(key: string): Promise<string | null> {
    this.reads += 1
    if (this.fails) throw new Error('KV is down')
    return this.values.has(key) ? '1' : null
  }

  async put(key: string, _value: string, { expirationTtl }: { expirationTtl: number }): Promise<void> {
    if (this.fails) throw new Error('KV is down')
    this.values.set(key, expirationTtl)
  }
}

let kv: FakeKv
let clock: number
beforeEach(() => {
  kv = new FakeKv()
  clock = START * 1000
})
const isolate = (): EndedSessions =>
  kvEndedSessions(kv, { endOf: ({ expires }) => expires, keepAlive: () => {}, now: () => clock })

test('a session that was ended is so at once where that was, and elsewhere as KV tells', async () => {
  const [here, elsewhere] = [isolate(), isolate()]
  expect(await elsewhere.has(SESSION)).toBe(false)
  await here.end(SESSION)
  expect(await here.has(SESSION)).toBe(true)
  expect(await elsewhere.has(SESSION)).toBe(false)
  clock += 30_000
  expect(await elsewhere.has(SESSION)).toBe(true)
  expect(await isolate().has({ ...SESSION, id: 'other' })).toBe(false)
})

test('KV is asked once in half a minute about a session that goes on, and never again about one that has ended', async () => {
  const one = isolate()
  for (let i = 0; i < 10; i += 1) await one.has(SESSION)
  expect(kv.reads).toBe(1)
  await one.end(SESSION)
  clock += 300_000
  expect(await one.has(SESSION)).toBe(true)
  expect(kv.reads).toBe(1)
})

test('what is remembered ends with the session, and no sooner than KV can', async () => {
  await isolate().end(SESSION)
  expect(kv.values.get('ended:abc')).toBe(600)
  clock += 590_000
  await isolate().end({ ...SESSION, id: 'late' })
  expect(kv.values.get('ended:late')).toBe(60)
})

test('where KV cannot be asked or told, nobody passes for signed in or signed out', async () => {
  kv.fails = true
  const refusal = { name: 'RegistryError', code: 'registry_unavailable' }
  await expect(isolate().has(SESSION)).rejects.toMatchObject(refusal)
  await expect(isolate().end(SESSION)).rejects.toMatchObject(refusal)
})

import { RecordError, type RecordKind, type Records, type UserName } from '@mux/contract'
import { BoundedMap } from '../bounded-map.ts'
import type { Log } from '../log-event.ts'
import { stale } from '../outdated.ts'
import { OutOfTime, within } from '../time-limit.ts'
import { decodeOrError } from './decode-or-error.ts'
import { deepFreeze } from './deep-freeze.ts'
import { RegistryError, type RegistryReader } from './registry.ts'
import { SharedReads } from './shared-reads.ts'

/** What is used of a Workers KV binding. */
export interface KvNamespace {
  get(key: string, options: { type: 'text'; cacheTtl: number }): Promise<string | null>
}

export interface KvRegistryOptions {
  /** See {@link SharedReads}. */
  keepAlive: (reading: Promise<unknown>) => void
  log: Log
  /** Milliseconds since the epoch. */
  now: () => number
}

/** A key of the registry in its two parts. */
export type RecordName = readonly [kind: RecordKind, name: string]

export interface KvRegistry extends RegistryReader {
  /** Begins to read what will be wanted; whether that works is told to whoever reads it. */
  begin(kind: RecordKind, name: string): void
  /** Has these read anew when they are wanted next, unless that was done just now. */
  doubt(names: readonly RecordName[]): void
  /** The user's record has this version or a later one, as somebody says who knows: no older one is used from now on. */
  expect(user: UserName, version: number): void
}

/** How long KV's own cache at one location may keep a value, in seconds; the least that the platform takes. */
export const CACHE_TTL = 30
/** How long a decoded record is trusted without asking KV, in milliseconds. */
const HOLD = 2_000
/** What was read less than so many milliseconds ago is not read again for a doubt: KV would say the same. */
const DOUBT_AFTER = 500
/** How long one read may take, in milliseconds; somebody who waited for another's before has not the whole of it left. */
const TIMEOUT = 4_000
/** How long one waits for what another request reads, and for KV where there is a last known value, in milliseconds. */
export const PATIENCE = 1_000
/** How long after it was read the last known way to an instance is taken while KV fails, in milliseconds. */
const LAST_KNOWN = 5 * 60_000
/** How long it is taken before KV is asked again, in milliseconds. */
const RETRY = 5_000
/** How long what a host expects of a user is remembered, in milliseconds: longer than KV takes for a change. */
const EXPECTED_FOR = 10 * 60_000
const CACHE_CAPACITY = 10_000

/** What says where an instance is. The others say who somebody is: without KV, nobody is let in by what held once. */
const ROUTING: ReadonlySet<RecordKind> = new Set(['route', 'instance'])

interface Held {
  /** Of a record that cannot be used, why: it is not fetched and decoded for each request. */
  found: Records[RecordKind] | RecordError | undefined
  /** When KV said so, and until when that is trusted; milliseconds since the epoch. */
  read: number
  until: number
}

/**
 * The registry in Workers KV, as the Worker reads it. A change is seen after {@link HOLD} and {@link CACHE_TTL}
 * together at the latest, once KV has carried it to this location.
 */
export function kvRegistry(namespace: KvNamespace, { keepAlive, log, now }: KvRegistryOptions): KvRegistry {
  const cache = new BoundedMap<string, Held>(CACHE_CAPACITY)
  const reads = new SharedReads<Held>({ patience: PATIENCE, keepAlive })
  const expected = new BoundedMap<string, { version: number; until: number }>(CACHE_CAPACITY)

  async function fetchRecord(kind: RecordKind, name: string): Promise<Held> {
    const text = await fetchText(namespace, `${kind}:${name}`)
    const found = text === null ? undefined : decodeOrError(kind, name, text)
    if (found !== undefined && !(found instanceof RecordError)) deepFreeze(found)
    const held = { found, read: now(), until: now() + HOLD }
    cache.set(`${kind}:${name}`, held)
    return held
  }

  async function renew(kind: RecordKind, name: string, old: Held | undefined): Promise<Held> {
    const key = `${kind}:${name}`
    const reading = reads.read(key, () => fetchRecord(kind, name))
    if (old === undefined || !ROUTING.has(kind) || old.found instanceof RecordError) return await reading
    if (now() >= old.read + LAST_KNOWN) return await reading
    try {
      return await within(PATIENCE, reading)
    } catch (error) {
      if (!(error instanceof RegistryError || error instanceof OutOfTime)) throw error
      // The first of those that wait for it says so.
      if (now() >= old.until)
        log({ event: 'registry_last_known', record: key, age_ms: now() - old.read, error })
      old.until = now() + RETRY
      return old
    }
  }

  /** @throws {Problem} `registry_stale` */
  function refuseOlder(user: string, version: number): void {
    const least = expected.get(user)
    if (least !== undefined && now() < least.until && version < least.version) throw stale()
  }

  return {
    async read<Kind extends RecordKind>(kind: Kind, name: string): Promise<Records[Kind] | undefined> {
      const held = cache.get(`${kind}:${name}`)
      const { found } = held !== undefined && now() < held.until ? held : await renew(kind, name, held)
      if (found instanceof RecordError) throw found
      if (kind === 'user' && found !== undefined && expected.size > 0) {
        refuseOlder(name, (found as Records['user']).version)
      }
      return found as Records[Kind] | undefined
    },

    begin(kind, name) {
      const held = cache.get(`${kind}:${name}`)
      if (held === undefined || now() >= held.until) renew(kind, name, held).catch(() => {})
    },

    doubt(names) {
      for (const [kind, name] of names) {
        const held = cache.get(`${kind}:${name}`)
        if (held !== undefined && now() >= held.read + DOUBT_AFTER) held.until = 0
      }
    },

    expect(user, version) {
      const before = expected.get(user)?.version ?? 0
      expected.set(user, { version: Math.max(before, version), until: now() + EXPECTED_FOR })
      const held = cache.get(`user:${user}`)
      if (held !== undefined) held.until = 0
    },
  }
}

/** @throws {RegistryError} */
export async function fetchText(namespace: KvNamespace, key: string): Promise<string | null> {
  try {
    return await within(TIMEOUT, namespace.get(key, { type: 'text', cacheTtl: CACHE_TTL }))
  } catch (cause) {
    throw new RegistryError('registry_unavailable', 'The registry in Workers KV cannot be read.', { cause })
  }
}

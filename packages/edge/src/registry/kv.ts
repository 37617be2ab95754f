import { decodeRecord, type RecordKind, type Records } from '@mux/contract'
import { within } from '../time-limit.ts'
import { RecordCache } from './record-cache.ts'
import { RegistryError, type RegistryReader } from './registry.ts'

/** What is used of a Workers KV binding. */
export interface KvNamespace {
  get(key: string, options: { type: 'text'; cacheTtl: number }): Promise<string | null>
}

export interface KvRegistryOptions {
  /** Milliseconds since the epoch. */
  now: () => number
}

/** How long KV's own cache at one location may keep a value, in seconds; the least that the platform takes. */
export const CACHE_TTL = 30
/** How long a decoded record is trusted without asking KV, in milliseconds. */
const HOLD = 2_000
/** How long one read may take, in milliseconds. */
const TIMEOUT = 5_000
const CACHE_CAPACITY = 10_000

/**
 * The registry in Workers KV, as the Worker reads it. A change is seen after {@link HOLD} and {@link CACHE_TTL}
 * together at the latest, once KV has carried it to this location.
 */
export function kvRegistry(namespace: KvNamespace, { now }: KvRegistryOptions): RegistryReader {
  const cache = new RecordCache({ capacity: CACHE_CAPACITY, hold: HOLD, now })

  return {
    async read<Kind extends RecordKind>(kind: Kind, name: string): Promise<Records[Kind] | undefined> {
      const cached = cache.get(kind, name)
      if (cached !== undefined) return cached.record
      const text = await fetchText(namespace, `${kind}:${name}`)
      const record = text === null ? undefined : decodeRecord(kind, name, text)
      cache.set(kind, name, record)
      return record
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

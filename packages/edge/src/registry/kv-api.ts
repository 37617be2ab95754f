import { type CloudflareApiOptions, createCloudflareApi } from './cloudflare-api.ts'
import { CloudflareError } from './cloudflare-error.ts'
import { inBatches, type KvPair } from './kv-batches.ts'

/**
 * One namespace of Workers KV, over Cloudflare's REST API (https://developers.cloudflare.com/api/resources/kv/). What fails
 * and may well succeed the next time is tried again; all of it is safe to repeat.
 * @throws {CloudflareError} from every method
 */
export interface KvApi {
  /** The keys with a prefix, in the order of their UTF-8 bytes. */
  list(prefix: string): Promise<string[]>
  /** The values of keys, in the order of these; null for a key that is not there. */
  get(keys: readonly string[]): Promise<(string | null)[]>
  /** Writes; which of them come first is not promised. */
  put(pairs: readonly KvPair[]): Promise<void>
  /** Removes; a key that is not there is no error. */
  delete(keys: readonly string[]): Promise<void>
}

export interface KvApiOptions extends CloudflareApiOptions {
  account: string
  namespace: string
}

/** The most keys of one page. */
const PAGE = 1000
/** The most keys that one request reads. */
const READ = { items: 100, size: Infinity }
/** What one request writes. The platform takes 100 MB, and a slow line not in the time that a request may take. */
const WRITE = { items: 10_000, size: 10_000_000 }
/** KV takes one write a second for a key (https://developers.cloudflare.com/kv/platform/limits/). In milliseconds. */
const WRITE_INTERVAL = 1000

/** @throws {CloudflareError} on a token that no header can carry */
export function createKvApi({ account, namespace, ...options }: KvApiOptions): KvApi {
  const { call, again, wait } = createCloudflareApi(options)
  const root = `/accounts/${encodeURIComponent(account)}/storage/kv/namespaces/${encodeURIComponent(namespace)}`
  /** When each key was written last, on the clock of `performance.now`. */
  const written = new Map<string, number>()

  /** Writes one batch; what Cloudflare says it has not done is sent again. */
  async function write<Item>(
    [method, path]: readonly [method: string, path: string],
    items: Item[],
    keyOf: (item: Item) => string,
  ): Promise<void> {
    await pauseAfter(items.map(keyOf))
    let left = items
    await again(async () => {
      const { result } = await call(method, `${root}${path}`, left)
      for (const item of left) written.set(keyOf(item), performance.now())
      const undone = undoneOf(result)
      left = left.filter((item) => undone.has(keyOf(item)))
      if (left.length === 0) return
      const message = `Cloudflare did not write ${left.length} of ${items.length} keys.`
      throw new CloudflareError('cloudflare_failed', message)
    })
  }

  async function pauseAfter(keys: readonly string[]): Promise<void> {
    const last = keys.reduce((latest, key) => Math.max(latest, written.get(key) ?? -Infinity), -Infinity)
    const left = last + WRITE_INTERVAL - performance.now()
    if (left > 0) await wait(left)
  }

  /** A request gives no more than 25 MB, which records are far below; but anybody may have written under their keys. */
  async function read(keys: readonly string[]): Promise<(string | null)[]> {
    try {
      const { result } = await again(() => call('POST', `${root}/bulk/get`, { keys, type: 'text' }))
      const values = valuesOf(result)
      return keys.map((key) => values.get(key) ?? null)
    } catch (error) {
      const isTooLarge = error instanceof CloudflareError && error.code === 'cloudflare_too_large'
      if (!isTooLarge || keys.length === 1) throw error
      const half = Math.ceil(keys.length / 2)
      return [...(await read(keys.slice(0, half))), ...(await read(keys.slice(half)))]
    }
  }

  return {
    async list(prefix) {
      const found: string[] = []
      let cursor = ''
      do {
        const query = new URLSearchParams({ limit: String(PAGE), prefix, ...(cursor && { cursor }) })
        const page = await again(() => call('GET', `${root}/keys?${query.toString()}`))
        found.push(...keysOf(page.result))
        // A page can be empty without being the last: that of keys which were removed.
        if (cursor !== '' && page.cursor === cursor) throw garbled()
        cursor = page.cursor
      } while (cursor !== '')
      return found
    },

    // One batch after the other: Cloudflare takes four requests a second in the long run.
    async get(keys) {
      const found: (string | null)[] = []
      for (const batch of inBatches(keys, READ)) found.push(...(await read(batch)))
      return found
    },

    async put(pairs) {
      for (const batch of inBatches(pairs, WRITE)) await write(['PUT', '/bulk'], batch, ({ key }) => key)
    },

    async delete(keys) {
      for (const batch of inBatches(keys, WRITE)) await write(['POST', '/bulk/delete'], batch, (key) => key)
    },
  }
}

/** The names in one page of keys. @throws {CloudflareError} */
function keysOf(result: unknown): string[] {
  if (!Array.isArray(result)) throw garbled()
  return result.map((key: { name?: unknown } | null) => {
    if (typeof key?.name === 'string') return key.name
    throw garbled()
  })
}

/** What a bulk read found; of a key that is not there, there is null, or nothing. @throws {CloudflareError} */
function valuesOf(result: unknown): Map<string, string | null> {
  const values = (result as { values?: unknown } | null)?.values
  if (typeof values !== 'object' || values === null) throw garbled()
  return new Map(
    Object.entries(values).map(([key, value]: [string, unknown]) => {
      if (value === null || typeof value === 'string') return [key, value]
      throw garbled()
    }),
  )
}

/** The keys that a bulk write has not written. @throws {CloudflareError} */
function undoneOf(result: unknown): Set<unknown> {
  const keys = (result as { unsuccessful_keys?: unknown } | null)?.unsuccessful_keys ?? []
  if (!Array.isArray(keys)) throw garbled()
  return new Set<unknown>(keys)
}

function garbled(): CloudflareError {
  return new CloudflareError('cloudflare_garbled', 'The answer of Cloudflare is not what its API gives.')
}

import { decodeRecord, encodeRecord, type RecordKind, type Records } from '@mux/contract'
import { decodeOrError } from './decode-or-error.ts'
import { deepFreeze } from './deep-freeze.ts'
import type { KvApi } from './kv-api.ts'
import type { KvPair } from './kv-batches.ts'
import { type RecordWrite, summaryOf } from './kv-summary.ts'
import { inWriteOrder } from './kv-write-order.ts'
import { type Decide, type RegistryChange, RegistryError, type RegistryStore } from './registry.ts'

/** How often a change is decided on, when somebody else writes meanwhile each time. */
const DECISIONS = 5

/**
 * The registry in Workers KV, as the operator's commands read and write it. Nothing is remembered from one call to the next.
 *
 * What KV cannot promise: a change is written in the steps of {@link inWriteOrder}, and of one that fails some may have
 * been done; the whole of it can be written again. What was decided on is read once more right before the first step, and
 * when that is different it is decided on anew; who writes in the moment after that is not noticed. And what KV gives may
 * be a minute old (https://developers.cloudflare.com/kv/concepts/how-kv-works/#consistency).
 * @throws {CloudflareError} from every method that asks KV
 */
export function openKvStore(api: KvApi): RegistryStore {
  return {
    async read<Kind extends RecordKind>(kind: Kind, name: string): Promise<Records[Kind] | undefined> {
      const [text] = await api.get([`${kind}:${name}`])
      return typeof text === 'string' ? deepFreeze(decodeRecord(kind, name, text)) : undefined
    },

    async list(kind) {
      const keys = await api.list(`${kind}:`)
      const texts = await api.get(keys)
      return keys.flatMap((key, at) => {
        const name = key.slice(kind.length + 1)
        const text = texts[at]
        // Null: removed since the list was made.
        return typeof text === 'string' ? [{ name, record: decodeOrError(kind, name, text) }] : []
      })
    },

    async change(decide) {
      for (let decision = 1; decision <= DECISIONS; decision += 1) {
        const { seen, changes, result } = await decideOn(api, decide)
        // Encoded before the first of them is written, which is where a record is refused that nobody could read again.
        const writes = inWriteOrder(changes).map((step) => prepare(api, step))
        if (!(await isAsSeen(api, seen))) continue
        for (const write of writes) await write()
        return result
      }
      const message = 'The registry in Workers KV is changed by others all the time.'
      throw new RegistryError('registry_unavailable', message)
    },

    close: () => {},
  }
}

/** Thrown into a decision that asks for what was not fetched yet. */
class Unread extends Error {
  override readonly name = 'Unread'
  readonly key: string
  constructor(key: string) {
    super(`${key} was not read yet`)
    this.key = key
  }
}

/** Has a decision made that reads at once from a store that takes its time: until it asks for nothing new. */
async function decideOn<Result>(api: KvApi, decide: Decide<Result>) {
  const seen = new Map<string, string | null>()
  for (;;) {
    try {
      const decided = decide((kind, name) => {
        const key = `${kind}:${name}`
        const text = seen.get(key)
        if (text === undefined) throw new Unread(key)
        return text === null ? undefined : decodeRecord(kind, name, text)
      })
      return { ...decided, seen }
    } catch (error) {
      if (!(error instanceof Unread)) throw error
      const [text] = await api.get([error.key])
      seen.set(error.key, text ?? null)
    }
  }
}

async function isAsSeen(api: KvApi, seen: ReadonlyMap<string, string | null>): Promise<boolean> {
  const texts = await api.get([...seen.keys()])
  return [...seen.values()].every((text, at) => text === texts[at])
}

/** @param step only records to write, or only records to remove */
function prepare(api: KvApi, step: readonly RegistryChange[]): () => Promise<void> {
  const pairs = step.filter(isWrite).map(pairOf)
  return pairs.length > 0
    ? () => api.put(pairs)
    : () => api.delete(step.map(({ kind, name }) => `${kind}:${name}`))
}

function isWrite(change: RegistryChange): change is RecordWrite {
  return change.record !== null
}

function pairOf(change: RecordWrite): KvPair {
  const { kind, name, record } = change
  return { key: `${kind}:${name}`, value: encodeRecord(kind, name, record), metadata: summaryOf(change) }
}

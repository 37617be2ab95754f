import type { RecordKind, Records } from '@mux/contract'
import { BoundedMap } from '../bounded-map.ts'
import { deepFreeze } from './deep-freeze.ts'

export interface RecordCacheOptions {
  capacity: number
  /** How long an entry is good, in milliseconds; without it, until it is deleted. */
  hold?: number
  /** Milliseconds since the epoch. */
  now?: () => number
}

/** Decoded records by their key. That there is no such record is worth remembering as well. */
export class RecordCache {
  readonly #entries: BoundedMap<string, { record: Records[RecordKind] | undefined; until: number }>
  readonly #hold: number
  readonly #now: () => number

  constructor({ capacity, hold = Infinity, now = () => 0 }: RecordCacheOptions) {
    this.#entries = new BoundedMap(capacity)
    this.#hold = hold
    this.#now = now
  }

  get<Kind extends RecordKind>(kind: Kind, name: string): { record: Records[Kind] | undefined } | undefined {
    const entry = this.#entries.get(`${kind}:${name}`)
    if (entry === undefined || this.#now() >= entry.until) return undefined
    return entry as { record: Records[Kind] | undefined }
  }

  /** Freezes the record. */
  set<Kind extends RecordKind>(kind: Kind, name: string, record: Records[Kind] | undefined): void {
    if (record !== undefined) deepFreeze(record)
    this.#entries.set(`${kind}:${name}`, { record, until: this.#now() + this.#hold })
  }

  delete(kind: RecordKind, name: string): void {
    this.#entries.delete(`${kind}:${name}`)
  }

  clear(): void {
    this.#entries.clear()
  }
}

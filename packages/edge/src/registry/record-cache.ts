import type { RecordKind, Records } from '@mux/contract'
import { BoundedMap } from '../bounded-map.ts'
import { deepFreeze } from './deep-freeze.ts'

/** Decoded records by their key. That there is no such record is worth remembering as well. */
export class RecordCache {
  readonly #entries: BoundedMap<string, { record: Records[RecordKind] | undefined }>

  constructor({ capacity }: { capacity: number }) {
    this.#entries = new BoundedMap(capacity)
  }

  get<Kind extends RecordKind>(kind: Kind, name: string): { record: Records[Kind] | undefined } | undefined {
    return this.#entries.get(`${kind}:${name}`) as { record: Records[Kind] | undefined } | undefined
  }

  /** Freezes the record. */
  set<Kind extends RecordKind>(kind: Kind, name: string, record: Records[Kind] | undefined): void {
    if (record !== undefined) deepFreeze(record)
    this.#entries.set(`${kind}:${name}`, { record })
  }

  delete(kind: RecordKind, name: string): void {
    this.#entries.delete(`${kind}:${name}`)
  }

  clear(): void {
    this.#entries.clear()
  }
}

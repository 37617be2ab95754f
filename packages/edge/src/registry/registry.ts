import type { RecordError, RecordKind, Records } from '@mux/contract'

/** What the edge needs of a registry: one record by its name. */
export interface RegistryReader {
  /**
   * @returns frozen, because it is remembered for others; undefined when there is no such record
   * @throws {RecordError} when the stored value cannot be used
   * @throws {RegistryError} when the store cannot be read
   */
  read<Kind extends RecordKind>(kind: Kind, name: string): Promise<Records[Kind] | undefined>
}

/** One record to write; `record: null` removes it. */
export type RegistryChange = {
  [Kind in RecordKind]: { kind: Kind; name: string; record: Records[Kind] | null }
}[RecordKind]

export interface ChangeOptions {
  /** How long to wait for the writes of other processes, in milliseconds; all else of this process waits with it. */
  patience?: number
}

/** Looks at the present records and says what is to change. */
export type Decide<Result> = (
  read: <Kind extends RecordKind>(kind: Kind, name: string) => Records[Kind] | undefined,
) => { changes: RegistryChange[]; result: Result }

/** What the operator's commands need besides. */
export interface RegistryStore extends RegistryReader {
  /** All records of a kind in the order of their names; an unusable one stands there as the error that reading it throws. */
  list<Kind extends RecordKind>(kind: Kind): Promise<{ name: string; record: Records[Kind] | RecordError }[]>
  /**
   * Reads and writes as one step: `decide` sees the present records and returns what is to change; all of it is
   * durable when the promise resolves, or none of it. Two callers never decide on the same state. That is SQLite's word:
   * Workers KV has neither transactions nor comparisons, and {@link openKvStore} says what it does instead.
   * @param decide has no effect of its own, since it may be called more than once
   */
  change<Result>(decide: Decide<Result>, options?: ChangeOptions): Promise<Result>
  close(): void
}

/** The store itself fails: unreadable, locked for too long, from a newer mux. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: 'registry_unavailable' | 'registry_newer'
  constructor(code: RegistryError['code'], message: string, options?: { cause: unknown }) {
    super(message, options)
    this.code = code
  }
}

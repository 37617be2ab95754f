import { isDeepStrictEqual } from 'node:util'
import { RecordError, type RecordKind, type Records } from '@mux/contract'
import type { Decide, RegistryChange, RegistryStore } from '@mux/edge/registry'

/** A record that was changed, as it was before; undefined: there was none, an error: it could not be used. */
export type NotedChange = {
  [Kind in RecordKind]: { kind: Kind; name: string; before: Records[Kind] | RecordError | undefined }
}[RecordKind]

/** A registry that takes note of what is changed by it. */
export interface NotingRegistry extends RegistryStore {
  /** What was changed and is not again as it was before: of each record the state before the first change. */
  noted(): Promise<NotedChange[]>
}

type Read = Parameters<Decide<unknown>>[0]

/** Refuses changes before anything of them is written, by what it throws. */
export type CheckChanges = (changes: readonly RegistryChange[], read: Read) => void

/** @param prepare asked before each change for what checks it */
export function noteChanges(registry: RegistryStore, prepare: () => Promise<CheckChanges>): NotingRegistry {
  const notes = new Map<string, NotedChange>()
  return {
    read: (kind, name) => registry.read(kind, name),
    list: (kind) => registry.list(kind),
    close: () => registry.close(),

    async change(decide, options) {
      const check = await prepare()
      const decided = await registry.change((read) => {
        const { changes, result } = decide(read)
        check(changes, read)
        return { changes, result: { result, notes: changes.map((change) => noteOf(change, read)) } }
      }, options)
      // Only now: what was decided may have been rolled back, or decided more than once.
      for (const note of decided.notes) {
        const key = `${note.kind}:${note.name}`
        if (!notes.has(key)) notes.set(key, note)
      }
      return decided.result
    },

    async noted() {
      const all = await Promise.all(
        [...notes.values()].map(async (note) => ({ note, same: await isAsBefore(registry, note) })),
      )
      return all.filter(({ same }) => !same).map(({ note }) => note)
    },
  }
}

function noteOf({ kind, name }: RegistryChange, read: Read): NotedChange {
  return { kind, name, before: recordOrError(() => read(kind, name)) } as NotedChange
}

async function isAsBefore(registry: RegistryStore, { kind, name, before }: NotedChange): Promise<boolean> {
  return !(before instanceof RecordError) && isDeepStrictEqual(await registry.read(kind, name), before)
}

/** What reading a record gives, or why it cannot be used. */
export function recordOrError<Kept>(read: () => Kept): Kept | RecordError {
  try {
    return read()
  } catch (error) {
    if (error instanceof RecordError) return error
    throw error
  }
}

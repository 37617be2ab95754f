import { decodeRecord, RecordError, type RecordKind, type Records } from '@mux/contract'

/** Decodes one stored value for a list, in which one that cannot be used stands as the error that it is. */
export function decodeOrError<Kind extends RecordKind>(
  kind: Kind,
  name: string,
  text: string,
): Records[Kind] | RecordError {
  try {
    return decodeRecord(kind, name, text)
  } catch (error) {
    if (error instanceof RecordError) return error
    throw error
  }
}

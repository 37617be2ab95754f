import { RecordError, type RecordKind } from '@mux/contract'
import type { Difference, Side } from './compare-registries.ts'

/** A difference as it may be shown: without anything that stands in the records. */
export interface DescribedDifference {
  kind: RecordKind
  name: string
  /** The one side that has such a record; null: both have. */
  only: Side | null
  /** The fields that differ. */
  fields: string[]
  /** The side whose record was changed last, where that is known. */
  later: Side | null
  /** The sides whose record cannot be used. */
  unusable: Side[]
}

const SIDES = ['here', 'kv'] as const

export function describeDifference(difference: Difference): DescribedDifference {
  const { kind, name, fields, later } = difference
  const there = SIDES.filter((side) => difference[side] !== null)
  const unusable = there.filter((side) => difference[side] instanceof RecordError)
  return { kind, name, only: there.length === 1 ? there[0]! : null, fields, later, unusable }
}

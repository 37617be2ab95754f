import { isScalar } from 'yaml'
import type { InstanceEntry } from '@mux/instance'
import type { ConfigReader, Place } from './config-reader.ts'

/**
 * What mux.yaml says of one instance itself, as JSON. Settings are texts, as the file has them; nothing is checked, and what
 * says nothing is left out: a map without keys, a key without a value.
 */
export function entryOf(reader: ConfigReader, place: Place): InstanceEntry {
  const entries = reader.isMap(place) ? reader.entries(place) : []
  const values = entries.map(([key, value]) => [key, valueOf(reader, value, key === 'settings')] as const)
  return Object.fromEntries(values.filter(([, value]) => value !== undefined))
}

function valueOf(reader: ConfigReader, place: Place, asTexts: boolean): unknown {
  if (reader.isMap(place)) {
    const entries = reader
      .entries(place)
      .map(([key, value]) => [key, valueOf(reader, value, asTexts)] as const)
    const said = entries.filter(([, value]) => value !== undefined)
    return said.length === 0 ? undefined : Object.fromEntries(said)
  }
  const items = reader.items(place)
  if (items) return items.map((item) => valueOf(reader, item, false) ?? null)
  const text = reader.scalar(place)
  const plain = isScalar(place.node) ? place.node.value : undefined
  // A number that would be written otherwise is kept as its text, which means the same.
  return asTexts || String(plain) !== text ? text : plain
}

/** One value to write. */
export interface KvPair {
  key: string
  value: string
  /** What a list of keys shows of it; at most 1024 bytes as JSON. */
  metadata?: Readonly<Record<string, unknown>>
}

/** What one request takes: at most so many items, of so many characters of JSON together. */
export interface BatchLimits {
  items: number
  size: number
}

/** Cuts a list into batches, in order; an item that is larger than a batch stands in one of its own. */
export function inBatches<Item>(
  items: readonly Item[],
  { items: most, size: largest }: BatchLimits,
): Item[][] {
  const batches: Item[][] = []
  let room = 0
  for (const item of items) {
    const size = JSON.stringify(item).length + 1
    const last = batches.at(-1)
    if (last === undefined || last.length === most || size > room) {
      batches.push([item])
      room = largest - size
    } else {
      last.push(item)
      room -= size
    }
  }
  return batches
}

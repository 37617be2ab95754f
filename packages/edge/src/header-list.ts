/**
 * Header lists are names and values in turn. These turn them into what the web's API takes and back.
 */

/** Each `Set-Cookie` by itself; of any other name that came twice, the values together. Names are in lower case. */
export function listOf(headers: Headers): string[] {
  const list: string[] = []
  headers.forEach((value, name) => list.push(name, value))
  return list
}

/**
 * As a record, which workerd takes in one step; only when a name comes twice, or is one that every object has
 * (`__proto__`), each header has to be appended.
 */
export function headersOf(list: readonly string[]): Record<string, string> | Headers {
  const record: Record<string, string> = {}
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (name in record) return appendTo(new Headers(), list, 0)
    record[name] = list[i + 1]!
  }
  return record
}

/** Appends to `headers` what the list has from `start` on. */
export function appendTo(headers: Headers, list: readonly string[], start: number): Headers {
  // One at a time: workerd takes a list of pairs for four times as long, some 50 µs for ten.
  for (let i = start; i < list.length; i += 2) headers.append(list[i]!, list[i + 1]!)
  return headers
}

/** The first value of a name that stands in the list as it is written here. */
export function valueOf(list: readonly string[], name: string): string | undefined {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1]
  return undefined
}

/** The list without a name that stands in it as it is written here. */
export function without(list: readonly string[], name: string): string[] {
  const rest: string[] = []
  for (let i = 0; i < list.length; i += 2) if (list[i] !== name) rest.push(list[i]!, list[i + 1]!)
  return rest
}

import { isMap, isScalar, isSeq } from 'yaml'
import { type ConfigDocument, scalarText } from './config-document.ts'
import type { ConfigProblems } from './config-problems.ts'

/** One value in the file: its node, and the name by which a message speaks of it. */
export interface Place {
  /** Null where a key stands without a value. */
  node: unknown
  path: string
  /** The key before the value, if there is one: where to point when there is no value. */
  key?: unknown
}

/** Takes values of known kinds out of a document; what is not of the kind becomes a problem, and undefined. */
export class ConfigReader {
  readonly #document: ConfigDocument
  readonly #problems: ConfigProblems

  constructor(document: ConfigDocument, problems: ConfigProblems) {
    this.#document = document
    this.#problems = problems
  }

  wrong(place: Place, expected: string): undefined {
    this.#problems.wrong(this.#line(place), place.path, this.#document.describe(place.node), expected)
  }

  /** A problem in words of its own. */
  problem(place: Place, text: string): undefined {
    this.#problems.add(this.#line(place), `${place.path} ${text}`)
  }

  /** The entries of a map whose keys are free; an absent or empty one has none. */
  entries(place: Place): [key: string, value: Place][] {
    const node = this.#document.resolve(place.node)
    if (node === undefined) return []
    if (!isMap(node)) {
      this.wrong(place, 'a map')
      return []
    }
    const entries: [string, Place][] = []
    for (const pair of node.items) {
      const key = this.#document.resolve(pair.key)
      const name = key === undefined ? undefined : scalarText(key)
      const value = { node: pair.value, path: join(place.path, name ?? '?'), key: pair.key }
      if (name === undefined) this.problem({ ...value, node: undefined }, 'is a key that is no text')
      else entries.push([name, value])
    }
    return entries
  }

  /** The values of a map under the keys that it may have; any other key is a problem. */
  keys<Key extends string>(place: Place, known: readonly Key[]): Partial<Record<Key, Place>> {
    const found: Partial<Record<Key, Place>> = {}
    for (const [key, value] of this.entries(place)) {
      if ((known as readonly string[]).includes(key)) found[key as Key] = value
      else this.#problems.unknownKey(this.#line(value), place.path, key, known)
    }
    return found
  }

  items(place: Place): Place[] | undefined {
    const node = this.#document.resolve(place.node)
    if (!isSeq(node)) return undefined
    return node.items.map((item, i) => ({ node: item, path: `${place.path}[${i}]` }))
  }

  isMap(place: Place): boolean {
    return isMap(this.#document.resolve(place.node))
  }

  /** The text of a string, number or boolean as it was written; undefined, without a problem, for anything else. */
  scalar(place: Place): string | undefined {
    const node = this.#document.resolve(place.node)
    return node === undefined ? undefined : scalarText(node)
  }

  text(place: Place, expected: string): string | undefined {
    const node = this.#document.resolve(place.node)
    if (isScalar(node) && typeof node.value === 'string') return node.value
    return this.wrong(place, expected)
  }

  /** A text that `parse` accepts. */
  parsed<Value>(
    place: Place | undefined,
    expected: string,
    parse: (text: string) => Value | undefined,
  ): Value | undefined {
    if (place === undefined) return undefined
    const text = this.scalar(place)
    const value = text === undefined ? undefined : parse(text)
    return value === undefined ? this.wrong(place, expected) : value
  }

  choice<const Option extends string>(
    place: Place | undefined,
    options: readonly Option[],
  ): Option | undefined {
    return this.parsed(place, options.join(' or '), (text) => options.find((option) => option === text))
  }

  integer(place: Place | undefined, least: number, most: number): number | undefined {
    return this.parsed(place, `a whole number from ${least} to ${most}`, (text) => {
      const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN
      return value >= least && value <= most ? value : undefined
    })
  }

  #line(place: Place): number {
    return this.#document.lineOf(place.node ?? place.key)
  }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

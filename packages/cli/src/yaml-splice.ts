import { isDeepStrictEqual } from 'node:util'
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  type Pair,
  parseDocument,
  Scalar,
  stringify,
  YAMLMap,
} from 'yaml'

/** A value to write. What is to be a text whatever it looks like is given as one, so that nothing changes its kind on the way. */
export type YamlValue = string | number | boolean | readonly YamlValue[] | YamlMap
interface YamlMap {
  readonly [key: string]: YamlValue
}

/**
 * Sets the value under a path of keys, making the maps on the way. Every line that does not have to change stays as it is,
 * byte for byte; where the text is so unusual that this does not succeed, the whole is written anew from the document, which
 * keeps comments and order but not the spacing.
 * @param text one YAML document without errors, a map at its top
 */
export function setInYaml(text: string, path: readonly string[], value: YamlValue): string {
  const document = parseDocument(text)
  const spliced = spliceValue(text, document, path, value)
  makeWay(document, path)
  document.setIn(path, document.createNode(value))
  return verified(spliced, document)
}

/**
 * Has the map under a path of keys say what `wanted` says. What it says already stays as it is, with its comments.
 * @param present what it says now
 */
export function reshapeYaml(
  text: string,
  path: readonly string[],
  present: Readonly<Record<string, unknown>>,
  wanted: YamlMap,
): string {
  const set = Object.entries(wanted).reduce((result, [key, value]) => {
    const found = present[key]
    if (isDeepStrictEqual(found, value)) return result
    return isPlainMap(found) && isPlainMap(value) && !('secret' in value) && !('secret' in found)
      ? reshapeYaml(result, [...path, key], found, value)
      : setInYaml(result, [...path, key], value)
  }, text)
  const gone = Object.keys(present).filter((key) => !(key in wanted))
  return gone.reduce((result, key) => removeFromYaml(result, [...path, key]), set)
}

/** Removes the pair under a path of keys; a map that has nothing left becomes `{}`. */
export function removeFromYaml(text: string, path: readonly string[]): string {
  const document = parseDocument(text)
  const spliced = splicePairOut(text, document, path)
  document.deleteIn(path)
  return verified(spliced, document)
}

/** Puts a map of its own where one on the path is empty or an alias, which cannot be changed for itself. */
function makeWay(document: Document, path: readonly string[]): void {
  for (let depth = 1; depth < path.length; depth += 1) {
    const above = path.slice(0, depth)
    const node = document.getIn(above, true)
    if (isScalar(node) && node.value === null) document.setIn(above, new YAMLMap())
    const copy = isAlias(node) ? node.resolve(document)?.clone() : undefined
    if (!isCollection(copy)) continue
    delete copy.anchor
    document.setIn(above, copy)
  }
}

function verified(spliced: string | undefined, expected: Document): string {
  if (spliced !== undefined) {
    const found = parseDocument(spliced)
    if (found.errors.length === 0 && isDeepStrictEqual(found.toJS(), expected.toJS())) return spliced
  }
  return expected.toString({ lineWidth: 0 })
}

function spliceValue(
  text: string,
  document: Document,
  path: readonly string[],
  value: YamlValue,
): string | undefined {
  const { map, pair, depth } = descend(document, path)
  if (map === undefined) return undefined
  const eol = text.includes('\r\n') ? '\r\n' : '\n'
  const rest = path.slice(depth)
  if (rest.length === 0) return pair && replaceNode(text, pair.value, value)
  const [key, ...below] = rest as [string, ...string[]]
  const entry = { [key]: nest(below, value) }

  if (map.items.length === 0) {
    // `{}`, or nothing at all after the key that leads here.
    const start = columnOf(text, startOf(pair?.key)) + STEP
    const range = map.range
    const [from, to] = range ? [range[0], range[1]] : [lineEnd(text, startOf(pair?.key)), undefined]
    if (to !== undefined && text.slice(to, lineEnd(text, to)).trim() !== '')
      return text.slice(0, from) + inFlow(entry) + text.slice(to)
    return text.slice(0, from).replace(/ +$/, '') + eol + inBlock(entry, start, eol) + text.slice(to ?? from)
  }
  const last = endOf(map.items.at(-1)!)
  if (map.flow) return `${text.slice(0, last)}, ${inFlow(entry).slice(2, -2)}${text.slice(last)}`
  const at = lineEnd(text, last)
  return (
    text.slice(0, at) + eol + inBlock(entry, columnOf(text, startOf(map.items[0]!.key)), eol) + text.slice(at)
  )
}

function splicePairOut(text: string, document: Document, path: readonly string[]): string | undefined {
  const { map, pair: parent, depth } = descend(document, path.slice(0, -1))
  const at = map?.items.findIndex((item) => keyOf(item) === path.at(-1)) ?? -1
  if (map === undefined || depth !== path.length - 1 || at < 0) return undefined
  const item = map.items[at]!
  if (map.items.length === 1) return parent && emptyOut(text, parent, map)
  if (map.flow) {
    const next = map.items[at + 1]
    return next === undefined
      ? text.slice(0, endOf(map.items[at - 1]!)) + text.slice(endOf(item))
      : text.slice(0, startOf(item.key)) + text.slice(startOf(next.key))
  }
  return cutLines(text, startOf(item.key), endOf(item))
}

function emptyOut(text: string, parent: Pair, map: YAMLMap): string {
  if (map.flow) return `${text.slice(0, map.range![0])}{}${text.slice(map.range![1])}`
  const cut = cutLines(text, startOf(map.items[0]!.key), endOf(map.items.at(-1)!))
  const colon = text.indexOf(':', (parent.key as Scalar).range![1]) + 1
  return `${cut.slice(0, colon)} {}${cut.slice(colon)}`
}

function replaceNode(text: string, node: unknown, value: YamlValue): string | undefined {
  const plain = isScalar(node) && node.type !== Scalar.BLOCK_LITERAL && node.type !== Scalar.BLOCK_FOLDED
  if (!(plain || isAlias(node) || (isMap(node) && node.flow)) || !node.range) return undefined
  return text.slice(0, node.range[0]) + inFlow(value) + text.slice(node.range[1])
}

const STEP = 2

/** Goes down the path as far as there are maps; an empty or absent one at the end stands for a map without items. */
function descend(
  document: Document,
  path: readonly string[],
): { map: YAMLMap | undefined; pair: Pair | undefined; depth: number } {
  let map = isMap(document.contents) ? document.contents : undefined
  let pair: Pair | undefined
  let depth = 0
  for (const key of path) {
    const next = map?.items.find((item) => keyOf(item) === key)
    if (next === undefined) break
    pair = next
    depth += 1
    if (isMap(next.value)) map = next.value
    else if (depth === path.length) break
    else if (
      next.value === null ||
      (isScalar(next.value) && next.value.value === null && !next.value.source)
    ) {
      map = new YAMLMap()
      break
    } else return { map: undefined, pair, depth }
  }
  return { map, pair, depth }
}

function nest(path: readonly string[], value: YamlValue): YamlValue {
  return path.reduceRight<YamlValue>((inner, key) => ({ [key]: inner }), value)
}

/** In the style of `{ a: b }`, which may stand anywhere on one line. */
function inFlow(value: YamlValue): string {
  if (Array.isArray(value)) return `[${(value as readonly YamlValue[]).map(inFlow).join(', ')}]`
  if (isPlainMap(value)) {
    const pairs = Object.entries(value).map(([key, inner]) => `${inFlow(key)}: ${inFlow(inner)}`)
    return pairs.length === 0 ? '{}' : `{ ${pairs.join(', ')} }`
  }
  const text = stringify(value, { lineWidth: 0 }).trimEnd()
  return /[\n,[\]{}]/.test(text) ? JSON.stringify(value) : text
}

/** One pair a line from the given column on; what is innermost and secret stands in one line. */
function inBlock(value: YamlMap, column: number, eol: string): string {
  return Object.entries(value)
    .map(([key, inner]) => {
      const head = `${' '.repeat(column)}${inFlow(key)}:`
      const asBlock = isPlainMap(inner) && Object.keys(inner).length > 0 && !('secret' in inner)
      return asBlock ? `${head}${eol}${inBlock(inner, column + STEP, eol)}` : `${head} ${inFlow(inner)}`
    })
    .join(eol)
}

function isPlainMap(value: unknown): value is YamlMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function keyOf(pair: Pair): unknown {
  return isScalar(pair.key) ? pair.key.value : undefined
}

function startOf(node: unknown): number {
  return (node as Scalar).range![0]
}

/** Where the last character of a pair ends, without what follows it on its line. */
function endOf(pair: Pair): number {
  const { value } = pair
  if (isCollection(value) && !value.flow && value.items.length > 0) {
    const last = value.items.at(-1)
    return isMap(value) ? endOf(last as Pair) : endOf({ key: pair.key, value: last } as Pair)
  }
  const node = (value ?? pair.key) as Scalar
  return (node.range ?? (pair.key as Scalar).range)![1]
}

function columnOf(text: string, at: number): number {
  return (
    at -
    (text.lastIndexOf('\n', at - 1) + 1) -
    (text.startsWith('\ufeff') && text.lastIndexOf('\n', at - 1) < 0 ? 1 : 0)
  )
}

/** The end of the line that holds what ends at `at`, before its line break. */
function lineEnd(text: string, at: number): number {
  const from = text[at - 1] === '\n' ? at - 1 : at
  const end = text.indexOf('\n', from)
  if (end < 0) return text.length
  return text[end - 1] === '\r' ? end - 1 : end
}

function cutLines(text: string, start: number, end: number): string {
  const from = text.lastIndexOf('\n', start - 1) + 1
  const to = text.indexOf('\n', lineEnd(text, end))
  return text.slice(0, from) + (to < 0 ? '' : text.slice(to + 1))
}

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type ParsedNode,
  visit,
} from 'yaml'
import type { ConfigProblems } from './config-problems.ts'

const MAX_ALIASES = 100
/** Brackets within brackets; the parser has a function call for each, and a stack that ends. */
const MAX_DEPTH = 200

/** One YAML document, and where in the file its nodes stand. */
export interface ConfigDocument {
  document: Document.Parsed
  /** Line of a node, counted from 1. */
  lineOf(node: unknown): number
  /** What a node is, in the words of a message. */
  describe(node: unknown): string
  /** The node itself, or what it is an alias of; undefined for one that is absent or null. */
  resolve(node: unknown): Node | undefined
}

/** Reads the text of a mux.yaml; problems of syntax go to `problems`, and then there is no document. */
export function readDocument(text: string, problems: ConfigProblems): ConfigDocument | undefined {
  const tooDeep = lineTooDeep(text)
  if (tooDeep !== undefined) {
    problems.add(tooDeep, `brackets are nested more than ${MAX_DEPTH} deep`)
    return undefined
  }
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
  if ('empty' in documents) return emptyDocument(problems)
  const [document, second] = documents
  if (second !== undefined) {
    problems.add(lines.linePos(second.range[0]).line, 'a second document begins here; expected one only')
    return undefined
  }
  for (const error of document!.errors) problems.add(lines.linePos(error.pos[0]).line, syntaxMessage(error))
  if (document!.errors.some((error) => error.code !== 'DUPLICATE_KEY')) return undefined
  if (!checkAliases(document!, lines, problems)) return undefined
  return documentAccess(document!, lines)
}

/**
 * The line where brackets are nested deeper than in any mux.yaml, counted from 1. Those of a text or a comment count as well,
 * where they are not closed again.
 */
function lineTooDeep(text: string): number | undefined {
  let depth = 0
  for (const { 0: bracket, index } of text.matchAll(/[[\]{}]/g)) {
    depth = Math.max(0, depth + (bracket === '[' || bracket === '{' ? 1 : -1))
    if (depth > MAX_DEPTH) return text.slice(0, index).split('\n').length
  }
  return undefined
}

/** Each alias is looked up from the beginning of the file, so there must not be very many. */
function checkAliases(document: Document, lines: LineCounter, problems: ConfigProblems): boolean {
  let count = 0
  const before = problems.count
  visit(document, {
    Alias: (_, alias) => {
      const { line } = lines.linePos(alias.range![0])
      count += 1
      if (count > MAX_ALIASES) {
        problems.add(line, `there are more than ${MAX_ALIASES} aliases`)
        return visit.BREAK
      }
      if (alias.resolve(document) === undefined)
        problems.add(line, `*${alias.source} refers to nothing before it`)
      return undefined
    },
  })
  return problems.count === before
}

function emptyDocument(problems: ConfigProblems): undefined {
  problems.add(1, 'the file is empty; expected the keys app, pool, edge and instances')
  return undefined
}

function syntaxMessage(error: { code: string; message: string }): string {
  if (error.code === 'DUPLICATE_KEY') return 'this key was there before; expected each key once'
  if (error.code === 'TAB_AS_INDENT') return 'a tab; expected spaces, which is how YAML is indented'
  return `this is no YAML: ${error.message.replace(/\s+/g, ' ')}`
}

function documentAccess(document: Document.Parsed, lines: LineCounter): ConfigDocument {
  const resolve = (node: unknown): Node | undefined => {
    const target = isAlias(node) ? node.resolve(document) : (node as Node | null | undefined)
    return target === null || (isScalar(target) && target.value === null) ? undefined : target
  }
  return {
    document,
    resolve,
    lineOf: (node) => lines.linePos((node as ParsedNode | null | undefined)?.range?.[0] ?? 0).line || 1,
    describe: (node) => {
      const target = resolve(node)
      if (target === undefined) return 'empty'
      if (isMap(target)) return 'a map'
      if (isSeq(target)) return 'a list'
      return isScalar(target) ? shortened(target.source ?? String(target.value)) : 'unusable'
    },
  }
}

function shortened(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)
}

/** The text of a scalar as the file has it, so that `0800`, `1e3` and `yes` stay what was written. */
export function scalarText(node: Node): string | undefined {
  if (!isScalar(node)) return undefined
  const { value } = node
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'
    ? (node.source ?? String(value))
    : undefined
}

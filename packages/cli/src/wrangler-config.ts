import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ParseError, parse as parseJsonc } from 'jsonc-parser'
import { CliError } from './errors.ts'

/** What mux takes from a configuration of wrangler (https://developers.cloudflare.com/workers/wrangler/configuration/). */
export interface WranglerConfig {
  account: string | undefined
  /** The KV namespace that is bound as {@link REGISTRY_BINDING}. */
  namespace: string | undefined
}

/** What the Worker calls its registry. */
export const REGISTRY_BINDING = 'REGISTRY'
/** What the top of the file is called where an environment has to be named. */
export const PRODUCTION = 'production'
const FILES = ['wrangler.jsonc', 'wrangler.json']

interface Section {
  account_id?: unknown
  kv_namespaces?: unknown
}

/**
 * What wrangler.jsonc beside mux.yaml says; undefined when there is none.
 * @param environment its named environment, which has bindings of its own; undefined: the top level
 * @throws {CliError} `file_unusable`
 */
export async function readWranglerConfig(
  directory: string,
  environment: string | undefined,
): Promise<WranglerConfig | undefined> {
  const found = await findWranglerFile(directory)
  return found && parseWranglerConfig(found.file, found.text, environment)
}

/**
 * The configuration of wrangler in a directory; undefined when there is none.
 * @throws {CliError} `file_unusable`
 */
export async function findWranglerFile(
  directory: string,
): Promise<{ file: string; text: string } | undefined> {
  for (const name of FILES) {
    const file = join(directory, name)
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      const reason = `it cannot be read: ${String((error as NodeJS.ErrnoException).code)}`
      throw wranglerFileUnusable(file, reason, error)
    })
    if (text !== undefined) return { file, text: text.replace(/^\uFEFF/, '') }
  }
  return undefined
}

/** @throws {CliError} `file_unusable` */
export function parseWranglerConfig(
  file: string,
  text: string,
  environment: string | undefined,
): WranglerConfig {
  const top = parseWranglerFile(file, text)
  const section = environment === undefined ? top : sectionOf(file, top, environment)
  // A named environment inherits the account and no bindings.
  const account = section.account_id ?? top.account_id
  const bindings: unknown[] = Array.isArray(section.kv_namespaces) ? section.kv_namespaces : []
  const bound = bindings.find(
    (one): one is { id?: unknown } => isMap(one) && one['binding'] === REGISTRY_BINDING,
  )
  return { account: textOf(account), namespace: textOf(bound?.id) }
}

/** @throws {CliError} `file_unusable` */
export function parseWranglerFile(file: string, text: string): Section & Record<string, unknown> {
  const errors: ParseError[] = []
  const value: unknown = parseJsonc(text, errors, { allowTrailingComma: true })
  if (errors.length > 0) throw wranglerFileUnusable(file, 'it is not JSON with comments')
  if (!isMap(value)) throw wranglerFileUnusable(file, 'it is not a map')
  return value
}

function sectionOf(file: string, top: Section & Record<string, unknown>, name: string): Section {
  const sections = isMap(top['env']) ? top['env'] : {}
  const section = Object.hasOwn(sections, name) ? sections[name] : undefined
  if (isMap(section)) return section
  if (name === PRODUCTION && section === undefined) return top
  const known = Object.keys(sections)
  const others = known.length === 0 ? 'no environments' : `the environments ${known.join(', ')}`
  throw wranglerFileUnusable(file, `it has no environment ${JSON.stringify(name)}, but ${others}`)
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

export function wranglerFileUnusable(file: string, reason: string, cause?: unknown): CliError {
  return new CliError('file_unusable', `${file} cannot be used: ${reason}.`, {
    hint: 'Put it right, or name both with --account and --namespace.',
    cause,
  })
}

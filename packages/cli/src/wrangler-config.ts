import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ParseError, parse as parseJsonc } from 'jsonc-parser'
import { CliError } from './errors.ts'

/** What mux takes from a configuration of wrangler (https://developers.cloudflare.com/workers/wrangler/configuration/). */
export interface WranglerConfig {
  account: string | undefined
  /** The KV namespace that is bound as {@link BINDING}. */
  namespace: string | undefined
}

/** What the Worker calls its registry. */
const BINDING = 'REGISTRY'
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
  for (const name of FILES) {
    const file = join(directory, name)
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw unusable(file, `it cannot be read: ${String((error as NodeJS.ErrnoException).code)}`, error)
    })
    if (text !== undefined) return parseWranglerConfig(file, text, environment)
  }
  return undefined
}

/** @throws {CliError} `file_unusable` */
export function parseWranglerConfig(
  file: string,
  text: string,
  environment: string | undefined,
): WranglerConfig {
  const top = parse(file, text)
  const section = environment === undefined ? top : sectionOf(file, top, environment)
  // A named environment inherits the account and no bindings.
  const account = section.account_id ?? top.account_id
  const bindings: unknown[] = Array.isArray(section.kv_namespaces) ? section.kv_namespaces : []
  const bound = bindings.find((one): one is { id?: unknown } => isMap(one) && one['binding'] === BINDING)
  return { account: textOf(account), namespace: textOf(bound?.id) }
}

function parse(file: string, text: string): Section & { env?: unknown } {
  const errors: ParseError[] = []
  const value: unknown = parseJsonc(text.replace(/^\uFEFF/, ''), errors, { allowTrailingComma: true })
  if (errors.length > 0) throw unusable(file, 'it is not JSON with comments')
  if (!isMap(value)) throw unusable(file, 'it is not a map')
  return value
}

function sectionOf(file: string, { env }: { env?: unknown }, name: string): Section {
  const sections = isMap(env) ? env : {}
  const section = Object.hasOwn(sections, name) ? sections[name] : undefined
  if (isMap(section)) return section
  const known = Object.keys(sections)
  const others = known.length === 0 ? 'no environments' : `the environments ${known.join(', ')}`
  throw unusable(file, `it has no environment ${JSON.stringify(name)}, but ${others}`)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function unusable(file: string, reason: string, cause?: unknown): CliError {
  return new CliError('file_unusable', `${file} cannot be used: ${reason}.`, {
    hint: 'Put it right, or name both with --account and --namespace.',
    cause,
  })
}

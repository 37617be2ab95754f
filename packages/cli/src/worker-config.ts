import { createHash } from 'node:crypto'
import { applyEdits, type JSONPath, modify } from 'jsonc-parser'
import {
  isMap,
  parseWranglerFile,
  REGISTRY_BINDING,
  textOf,
  wranglerFileUnusable,
} from './wrangler-config.ts'

/** What wrangler.jsonc says of the Worker of one environment, as wrangler reads it. */
export interface WorkerConfig {
  /** Of the Worker in the account. */
  name: string
  account: string | undefined
  /** The KV namespace that is bound as the registry. */
  namespace: string | undefined
  compatibilityDate: string | undefined
  /** Host names that are the Worker's own, in a zone of the account. */
  customDomains: string[]
  /** Host names of which it gets requests in front of another origin. */
  routes: string[]
  /** Whether it serves at a name of its own under workers.dev, too. */
  workersDev: boolean
  /** All that is said of this environment. */
  section: Readonly<Record<string, unknown>>
}

/** What is to be said of an environment; what is undefined stays as it is. */
export interface WorkerSettings {
  account?: string | undefined
  namespace?: string | undefined
  compatibilityDate?: string | undefined
  /** The host name at which the Worker is to serve, and no other; or {@link WORKERS_DEV}. */
  domain?: string | undefined
}

/** As a domain: the name that a Worker can have under that of its account. */
export const WORKERS_DEV = 'workers.dev'

const BINDINGS = 'kv_namespaces'
const RATE_LIMITS = 'ratelimits'
/** What an environment does not take from the top of the file by itself, and its Worker needs as well. */
const COPIED = [
  'vars',
  RATE_LIMITS,
  'secrets',
  'version_metadata',
  'services',
  'vpc_services',
  'vpc_networks',
]
/** Where one environment serves is no place for another. */
const PLACES = ['routes', 'route', 'workers_dev']
/** Where a key is put that was not there: before the long ones, where it is seen. */
const PLACE_OF_NEW: Record<string, number> = { account_id: 1, routes: 3 }

/**
 * A first wrangler.jsonc, from the one that mux keeps for its Worker.
 * @param main path of the module to deploy, from the directory of the file
 */
export function firstWorkerConfig(template: string, name: string, main: string): string {
  const changes: [JSONPath, unknown][] = [
    [['$schema'], undefined],
    // What is derived from mux.yaml comes with the module.
    [['vars'], undefined],
    [['name'], name],
    [['main'], main],
    [[BINDINGS], []],
    ...rateLimitIds(parseWranglerFile('', template)[RATE_LIMITS], name).map((id, at): [JSONPath, unknown] => [
      [RATE_LIMITS, at, 'namespace_id'],
      id,
    ]),
    // wrangler would tell Cloudflare which packages are used by what stands beside it.
    [['dependencies_instrumentation'], { enabled: false }],
  ]
  return changes.reduce((text, [path, value]) => set(text, path, value), template)
}

/**
 * @param environment undefined: the top of the file
 * @throws {CliError} `file_unusable`
 */
export function readWorkerConfig(file: string, text: string, environment: string | undefined): WorkerConfig {
  const { env, ...top } = parseWranglerFile(file, text)
  const own = environment === undefined ? top : (sectionOf(env, environment) ?? {})
  const passesOn = (key: string) => ![BINDINGS, ...COPIED, ...PLACES].includes(key)
  const inherited = Object.fromEntries(Object.entries(top).filter(([key]) => passesOn(key)))
  const section: Record<string, unknown> = { ...inherited, ...own }
  const base = textOf(top['name'])
  const given = textOf(own['name']) ?? (base === undefined ? undefined : `${base}-${environment}`)
  if (given === undefined) throw wranglerFileUnusable(file, 'it has no name for the Worker')
  const routes = [...itemsOf(section['routes']), ...itemsOf([section['route']])]
  return {
    name: given,
    account: textOf(section['account_id']),
    namespace: textOf(listOf(section[BINDINGS]).filter(isMap).find(isRegistry)?.['id']),
    compatibilityDate: textOf(section['compatibility_date']),
    customDomains: routes.filter(isCustomDomain).map(hostOf),
    routes: routes.filter((route) => !isCustomDomain(route)).map(hostOf),
    workersDev: section['workers_dev'] === true,
    section: { ...section, name: given },
  }
}

/**
 * Has the file say something else of one environment, which gets a section if it has none. Comments, order and all else stay.
 * @throws {CliError} `file_unusable`
 */
export function changeWorkerConfig(
  file: string,
  text: string,
  environment: string | undefined,
  settings: WorkerSettings,
): string {
  const { account, namespace, compatibilityDate, domain } = settings
  const { env, ...top } = parseWranglerFile(file, text)
  let result = text
  const at: JSONPath = environment === undefined ? [] : ['env', environment]
  let section: Record<string, unknown> = top
  if (environment !== undefined) {
    const found = sectionOf(env, environment)
    section = found ?? copyFor(environment, top)
    if (found === undefined) result = set(result, at, section)
  }
  if (account !== undefined) result = set(result, ['account_id'], account)
  if (compatibilityDate !== undefined) result = set(result, [...at, 'compatibility_date'], compatibilityDate)
  if (domain !== undefined) {
    result = set(result, [...at, 'workers_dev'], domain === WORKERS_DEV)
    result = set(result, [...at, 'route'], undefined)
    // Said even if it is none: an environment would take those of the top.
    const routes = domain === WORKERS_DEV ? [] : [{ pattern: domain, custom_domain: true }]
    result = set(result, [...at, 'routes'], routes)
  }
  if (namespace !== undefined) {
    const bindings = listOf(section[BINDINGS])
    const index = bindings.findIndex((one) => isMap(one) && isRegistry(one))
    const entry = { binding: REGISTRY_BINDING, id: namespace }
    if (index >= 0) result = set(result, [...at, BINDINGS, index, 'id'], namespace)
    else result = set(result, [...at, BINDINGS], [...bindings, entry])
  }
  return result
}

/** What a new environment begins with. */
function copyFor(environment: string, top: Record<string, unknown>): Record<string, unknown> {
  const copy = Object.fromEntries(Object.entries(top).filter(([key]) => COPIED.includes(key)))
  const limits = listOf(top[RATE_LIMITS]).filter(isMap)
  if (limits.length === 0) return copy
  const ids = rateLimitIds(limits, `${textOf(top['name']) ?? ''}-${environment}`)
  return { ...copy, [RATE_LIMITS]: limits.map((limit, at) => ({ ...limit, namespace_id: ids[at] })) }
}

/**
 * Numbers for the counters of a Worker that no other one in the account is likely to have: with the same number, failures at one
 * would count at the other (https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/).
 */
function rateLimitIds(limits: unknown, worker: string): string[] {
  return listOf(limits).map((_, at) =>
    String((createHash('sha256').update(`${worker} ${at}`).digest().readUInt32BE(0) % 1_000_000_000) + 1),
  )
}

function set(text: string, path: JSONPath, value: unknown): string {
  const edits = modify(text, path, value, {
    formattingOptions: { insertSpaces: true, tabSize: 2, eol: text.includes('\r\n') ? '\r\n' : '\n' },
    getInsertionIndex: (keys) => Math.min(keys.length, PLACE_OF_NEW[String(path.at(-1))] ?? keys.length),
  })
  return applyEdits(text, edits)
}

function sectionOf(env: unknown, environment: string): Record<string, unknown> | undefined {
  const section = isMap(env) && Object.hasOwn(env, environment) ? env[environment] : undefined
  return isMap(section) ? section : undefined
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function isRegistry(binding: Record<string, unknown>): boolean {
  return binding['binding'] === REGISTRY_BINDING
}

/** Routes, which may be texts as well. */
function itemsOf(routes: unknown): Record<string, unknown>[] {
  return listOf(routes)
    .map((item) => (typeof item === 'string' ? { pattern: item } : item))
    .filter(isMap)
}

function isCustomDomain(route: Record<string, unknown>): boolean {
  return route['custom_domain'] === true
}

/** `mux.example.com/*` is about that host name. */
function hostOf(route: Record<string, unknown>): string {
  return (textOf(route['pattern']) ?? '').replace(/^https?:\/\//, '').replace(/\/.*$/, '')
}

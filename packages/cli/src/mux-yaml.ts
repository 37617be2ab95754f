import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { INSTANCE_NAME_RULE, type InstanceName, parseInstanceName } from '@mux/contract'
import type { Network } from '@mux/edge'
import type { InstanceDefinition, InstanceEntry } from '@mux/instance'
import { addressKind, launchPlan, SettingsError } from '@mux/instance/settings'
import type { CertificateFiles } from './certificate.ts'
import { readDocument } from './config-document.ts'
import { ConfigProblems } from './config-problems.ts'
import { ConfigReader, type Place } from './config-reader.ts'
import { readConfigText } from './config-text.ts'
import {
  DURATION_RULE,
  FILE_RULE,
  HEADER_RULE,
  LISTEN_RULE,
  type ListenAddress,
  LOGO_RULE,
  LONG_DURATION_RULE,
  NETWORK_RULE,
  parseDuration,
  parseFilePath,
  parseIdentityHeader,
  parseListen,
  parseLogoPath,
  parseLongDuration,
  parseNetwork,
  parsePoolName,
  parseSiteName,
  parseTruth,
  POOL_NAME_RULE,
  SITE_NAME_RULE,
} from './config-values.ts'
import { type HostSection, readHostSection } from './host-section.ts'
import { entryOf } from './instance-entry.ts'
import {
  type Hooks,
  type InstanceFields,
  mergeFields,
  mergeHooks,
  readFields,
  type Roots,
} from './instance-fields.ts'
import type { Project } from './project.ts'

/** What mux.yaml says, complete and frozen. */
export interface ProjectConfig {
  pool: {
    /** How many instances run at once on this host. */
    max: number
    /** How many of them boot at once. */
    parallelBoots: number
    /** Template with `{n}` at its end, by which new instances are named. */
    name: string
  }
  edge: {
    listen: ListenAddress
    identityHeader: string
    /** How long people stay signed in, in milliseconds: from the sign-in, and from the last request. */
    session: { absolute: number; idle: number }
    cookies: 'isolate' | 'share'
    /** Name of the site, and absolute path of its logo, for the sign-in page. */
    name: string | null
    logo: string | null
    /** Whose word is taken about where a request comes from. */
    trustedProxies: readonly Network[]
    /** Connections, and requests of one user, at once; and how long a body may be silent, in milliseconds. */
    limits: { connections: number; requests: number; body: number }
    /** Absolute paths; null: plain HTTP. */
    tls: CertificateFiles | null
    /** Whether nobody but a TLS front reaches the address that is listened on. */
    behindProxy: boolean
  }
  /** Null: this project has an edge of its own. */
  host: HostSection | null
  /** Where the edge reads the registry: in this project, or in Workers KV. */
  registry: 'sqlite' | 'kv'
  /** Whether it is an operator's, from which hosts are worked on: there is no application in it. */
  runsNothing: boolean
  /** In the order of the file. */
  instances: readonly InstanceDefinition[]
  /** The settings that an instance has of its own, by name; all others come from `app`. */
  ownSettings: ReadonlyMap<InstanceName, readonly string[]>
  /** How the data of each instance leave and enter, by name. */
  hooks: ReadonlyMap<InstanceName, Hooks>
}

/** Two, so that one that hangs while it boots doesn't keep all others from it. */
const LEAST_DEFAULT_BOOTS = 2
const DEFAULT_POOL = {
  max: 8,
  parallelBoots: Math.max(LEAST_DEFAULT_BOOTS, availableParallelism()),
  name: 'instance{n}',
}
const DAY = 86_400_000
const DEFAULT_EDGE: ProjectConfig['edge'] = {
  listen: { host: '127.0.0.1', port: 8080 },
  identityHeader: 'X-Remote-User',
  session: { absolute: 14 * DAY, idle: 7 * DAY },
  cookies: 'isolate',
  name: null,
  logo: null,
  trustedProxies: [],
  limits: { connections: 10_000, requests: 1_000, body: 60_000 },
  tls: null,
  behindProxy: false,
}

const EDGE_KEYS = [
  'listen',
  'identity_header',
  'session',
  'cookies',
  'name',
  'logo',
  'trusted_proxies',
  'tls',
  'behind_proxy',
  'limits',
] as const

/** @throws {CliError} `config_invalid` with every problem of the file, each with its line */
export async function readConfig(project: Project): Promise<ProjectConfig> {
  return parseConfig(await readConfigText(project), project)
}

/**
 * What one instance says of itself, also where not all of the file can be used; undefined when it is not in there.
 * @throws {CliError} `config_invalid` when the text is no YAML, or says of the instance what is no map
 */
export function entryInText(text: string, name: InstanceName, project: Project): InstanceEntry | undefined {
  const problems = new ConfigProblems(project.configFile)
  const document = readDocument(text, problems)
  if (document === undefined) throw problems.toError()
  const reader = new ConfigReader(document, problems)
  const top = new Map(reader.entries({ node: document.document.contents, path: '' }))
  const place = new Map(reader.entries(top.get('instances') ?? { node: undefined, path: '' })).get(name)
  // Of another instance nothing needs to be right for this.
  const { count } = problems
  if (place) reader.entries(place)
  if (problems.count > count) throw problems.toError()
  return place && entryOf(reader, place)
}

/** @throws {CliError} `config_invalid` */
export function parseConfig(text: string, project: Project): ProjectConfig {
  const problems = new ConfigProblems(project.configFile)
  const document = readDocument(text, problems)
  if (document === undefined) throw problems.toError()
  const reader = new ConfigReader(document, problems)
  const whole: Place = { node: document.document.contents, path: '' }
  if (!reader.isMap(whole)) {
    reader.wrong({ ...whole, path: 'the file' }, 'a map')
    throw problems.toError()
  }
  const config = readTop(reader, whole, project, problems)
  if (problems.count > 0) throw problems.toError()
  return deepFreeze(config)
}

function readTop(
  reader: ConfigReader,
  whole: Place,
  project: Project,
  problems: ConfigProblems,
): ProjectConfig {
  const top = reader.keys(whole, ['app', 'pool', 'edge', 'host', 'registry', 'instances'])
  const pool = top.pool && reader.keys(top.pool, ['max', 'parallel_boots', 'name'])
  const edge = top.edge && reader.keys(top.edge, EDGE_KEYS)
  const session = edge?.session && reader.keys(edge.session, ['absolute', 'idle'])
  const longDuration = (place: Place | undefined) =>
    reader.parsed(place, LONG_DURATION_RULE, parseLongDuration)
  return {
    pool: {
      max: reader.integer(pool?.max, 1, 10_000) ?? DEFAULT_POOL.max,
      parallelBoots: reader.integer(pool?.parallel_boots, 1, 1000) ?? DEFAULT_POOL.parallelBoots,
      name: reader.parsed(pool?.name, POOL_NAME_RULE, parsePoolName) ?? DEFAULT_POOL.name,
    },
    edge: {
      listen: reader.parsed(edge?.listen, LISTEN_RULE, parseListen) ?? DEFAULT_EDGE.listen,
      identityHeader:
        reader.parsed(edge?.identity_header, HEADER_RULE, parseIdentityHeader) ?? DEFAULT_EDGE.identityHeader,
      session: {
        absolute: longDuration(session?.absolute) ?? DEFAULT_EDGE.session.absolute,
        idle: longDuration(session?.idle) ?? DEFAULT_EDGE.session.idle,
      },
      cookies: reader.choice(edge?.cookies, ['isolate', 'share']) ?? DEFAULT_EDGE.cookies,
      name: reader.parsed(edge?.name, SITE_NAME_RULE, parseSiteName) ?? DEFAULT_EDGE.name,
      logo: logoPath(reader.parsed(edge?.logo, LOGO_RULE, parseLogoPath), project) ?? DEFAULT_EDGE.logo,
      trustedProxies: readNetworks(reader, edge?.trusted_proxies) ?? DEFAULT_EDGE.trustedProxies,
      limits: readLimits(reader, edge?.limits),
      tls: readTls(reader, edge?.tls, project) ?? DEFAULT_EDGE.tls,
      behindProxy: reader.parsed(edge?.behind_proxy, 'true or false', parseTruth) ?? DEFAULT_EDGE.behindProxy,
    },
    host: (top.host && readHostSection(reader, top.host, (tls) => readTls(reader, tls, project))) ?? null,
    registry: reader.choice(top.registry, ['sqlite', 'kv']) ?? 'sqlite',
    ...readInstances(reader, top, project, problems),
  }
}

function readLimits(reader: ConfigReader, place: Place | undefined): ProjectConfig['edge']['limits'] {
  const found = place && reader.keys(place, ['connections', 'requests', 'body'])
  const { connections, requests, body } = DEFAULT_EDGE.limits
  return {
    connections: reader.integer(found?.connections, 10, 1_000_000) ?? connections,
    requests: reader.integer(found?.requests, 1, 1_000_000) ?? requests,
    body:
      reader.parsed(
        found?.body,
        `${DURATION_RULE}, more than none`,
        (text) => parseDuration(text) || undefined,
      ) ?? body,
  }
}

function readTls(
  reader: ConfigReader,
  place: Place | undefined,
  { directory }: Project,
): CertificateFiles | undefined {
  if (place === undefined) return undefined
  if (!reader.isMap(place)) return reader.wrong(place, 'a map with cert and key')
  const files = reader.keys(place, ['cert', 'key'])
  const [cert, key] = (['cert', 'key'] as const).map(
    (name) =>
      reader.parsed(files[name], FILE_RULE, parseFilePath) ??
      (files[name] ? undefined : reader.problem(place, `has no ${name}; expected ${FILE_RULE}`)),
  )
  return cert === undefined || key === undefined
    ? undefined
    : { cert: resolve(directory, cert), key: resolve(directory, key) }
}

function readNetworks(reader: ConfigReader, place: Place | undefined): Network[] | undefined {
  if (place === undefined) return undefined
  const items = reader.items(place)
  if (items === undefined) return reader.wrong(place, `a list; ${NETWORK_RULE}`)
  const networks = items.map((item) => reader.parsed(item, NETWORK_RULE, parseNetwork))
  return networks.filter((network) => network !== undefined)
}

function readInstances(
  reader: ConfigReader,
  top: { app?: Place; registry?: Place; instances?: Place },
  project: Project,
  problems: ConfigProblems,
): Pick<ProjectConfig, 'runsNothing' | 'instances' | 'ownSettings' | 'hooks'> {
  const roots: Roots = { project: project.directory, secrets: project.state.secrets }
  const beforeApp = problems.count
  const app = top.app ? readFields(reader, top.app, roots) : NO_FIELDS
  const appIsSound = problems.count === beforeApp
  const instances: InstanceDefinition[] = []
  const ownSettings = new Map<InstanceName, readonly string[]>()
  const hooks = new Map<InstanceName, Hooks>()
  const entries = top.instances ? reader.entries(top.instances) : []
  // It says of the registry where that is, or it would be an application that somebody forgot to write down.
  const runsNothing = entries.length === 0 && top.app === undefined && top.registry !== undefined
  if (entries.length === 0 && !('command' in app) && !runsNothing)
    reader.problem(
      top.app ?? { node: undefined, path: 'app' },
      'has no command; expected one, which every instance runs',
    )
  for (const [key, place] of entries) {
    const before = problems.count
    const own = readFields(reader, place, roots)
    const name = parseInstanceName(key)
    if (name === undefined) {
      reader.problem(place, `is no name of an instance; expected ${INSTANCE_NAME_RULE}`)
      continue
    }
    const entry = problems.count === before ? entryOf(reader, place) : {}
    const definition = mergeFields(name, app, own, project.directory, entry)
    if (definition === undefined) {
      if (!('command' in { ...app, ...own }))
        reader.problem(place, 'has no command; expected one here or under app')
      continue
    }
    const obstacle = appIsSound && problems.count === before ? launchProblem(definition) : undefined
    if (obstacle !== undefined) reader.problem(place, `cannot be started: ${obstacle}`)
    instances.push(definition)
    ownSettings.set(name, Object.keys(own.settings))
    hooks.set(name, mergeHooks(app, own))
  }
  return { runsNothing, instances, ownSettings, hooks }
}

const NO_FIELDS: InstanceFields = { settings: {}, limits: {}, hooks: {} }

/** What would keep a definition from being launched whatever the generation; asked of the part that launches it. */
function launchProblem(definition: InstanceDefinition): string | undefined {
  try {
    const address = addressKind(definition) === 'socket' ? { socketPath: '/socket' } : { port: 1 }
    launchPlan(definition, { address, data: '/data', marker: 'marker', secrets: {} }, {})
    return undefined
  } catch (error) {
    if (error instanceof SettingsError) return error.message
    throw error
  }
}

function logoPath(path: string | undefined, { directory }: Project): string | undefined {
  return path === undefined ? undefined : resolve(directory, path)
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) deepFreeze(part)
  }
  return value
}

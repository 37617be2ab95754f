import { waitUntil } from 'cloudflare:workers'
import { EDGE_HEADER, Problem, problemHeaders } from '@mux/contract'
import { type Access, createAccess, type PlatformAccess } from './access.ts'
import { problemResponse } from './answer.ts'
import { createApp } from './app.ts'
import { createFailureCounter, type FailureCounter } from './failures.ts'
import { routeKeyOf } from './find-instance.ts'
import type { LogEvent } from './log-event.ts'
import { kvEndedSessions } from './registry/kv-ended-sessions.ts'
import { kvRegistry } from './registry/kv.ts'
import { NO_REHASH } from './rehash.ts'
import { DEFAULT_IDENTITY_HEADER } from './request-headers.ts'
import { createSessions, DEFAULT_SESSION_LIMITS, type SessionKeys, type SessionLimits } from './session.ts'
import { createSharedFailureCounter, type RateLimit } from './shared-failures.ts'
import { createDecisionSigner } from './sign-decision.ts'
import { NO_TOKEN_USE } from './token-use.ts'
import { WorkerExchange } from './worker-exchange.ts'

/** What wrangler.jsonc binds. */
interface Env {
  REGISTRY: KVNamespace
  /** Base64 of at least 32 bytes: what session cookies are signed with. */
  SESSION_KEY?: string
  /** The one before it, while its sessions may live: it verifies and signs nothing. */
  SESSION_KEY_PREVIOUS?: string
  /** Base64 of at least 32 bytes: what the key of each host is derived from. */
  EDGE_KEY?: string
  /** An Access service token, for hosts that Cloudflare Access stands before. */
  HOST_ACCESS_CLIENT_ID?: string
  HOST_ACCESS_CLIENT_SECRET?: string
  /** Whose Cloudflare Access people may sign in by: the name of the team, and the tag of the application before this Worker. */
  ACCESS_TEAM?: string
  ACCESS_AUD?: string
  IDENTITY_HEADER?: string
  /** `share`: instances share the cookies of a browser, as they share its origin. */
  COOKIES?: string
  /** For the sign-in page: the name of the site, and a `data:` URL of its logo. */
  SITE_NAME?: string
  SITE_LOGO?: string
  /** How long people stay signed in, in seconds: from the sign-in, and from the last request. */
  SESSION_ABSOLUTE?: string
  SESSION_IDLE?: string
  /** Failed sign-ins of a user from a network, of a network, and of a user. */
  FAILURES_PAIR?: RateLimit
  FAILURES_NETWORK?: RateLimit
  FAILURES_USER?: RateLimit
  /** By which `mux deploy` sees that it is this version that answers. */
  VERSION?: { id: string }
}

const MIN_KEY_BYTES = 32

type Edge = (request: Request, access: PlatformAccess | undefined) => Promise<Response>
/** One for the life of the isolate: what it remembers of records and passwords is worth a lot. */
let edge: Edge | undefined

export default {
  async fetch(request, env, { access }) {
    try {
      edge ??= createEdge(env)
      return await edge(request, access)
    } catch (error) {
      log({ event: 'worker_failed', error })
      return problemResponse(new Problem('internal'), crypto.randomUUID())
    }
  },
} satisfies ExportedHandler<Env>

/** @throws without both keys: there is no other way to run than with them */
function createEdge(env: Env): Edge {
  const now = Date.now
  const sessions = createSessions({ keys: sessionKeys(env), limits: sessionLimits(env), now })
  const registry = kvRegistry(env.REGISTRY, { keepAlive: waitUntil, log, now })
  const app = createApp({
    registry,
    sessions,
    endedSessions: kvEndedSessions(env.REGISTRY, { endOf: sessions.endOf, keepAlive: waitUntil, now }),
    failures: failureCounter(env, now),
    tokenUse: NO_TOKEN_USE,
    rehash: NO_REHASH,
    access: accessOf(env, now),
    keepAlive: waitUntil,
    identityHeader: env.IDENTITY_HEADER ?? DEFAULT_IDENTITY_HEADER,
    isolateCookies: env.COOKIES !== 'share',
    brand: { name: env.SITE_NAME, logo: env.SITE_LOGO },
    release: env.VERSION?.id,
    log,
    now,
  })
  const signer = createDecisionSigner(readKey('EDGE_KEY', env.EDGE_KEY), now)
  const doors = { bindings: { ...env }, serviceToken: serviceToken(env) }
  const forwarding = { signer, doors, registry, log }
  return async (request, access) => {
    const exchange = new WorkerExchange(request, forwarding, access)
    if (exchange.header(EDGE_HEADER) === signer.edge) return refuseOwn(exchange)
    // Read while it is found out who asks, for both are needed.
    const route = routeKeyOf(exchange.header('host') ?? '')
    if (route !== undefined) registry.begin('route', route)
    return app.fetch(request, { exchange })
  }
}

/**
 * A request of this very edge: what it takes for a host leads back to it. It would ask itself again and again, or its user to
 * sign in to what they are signed in to. The header has the first of the two answer in the form that fits its client.
 */
function refuseOwn({ requestId }: WorkerExchange): Response {
  log({ event: 'host_is_edge', request_id: requestId })
  const problem = new Problem('instance_unreachable')
  return problemResponse(problem, requestId, { ...problemHeaders(problem), 'Mux-Problem': problem.code })
}

/** @throws when there is half of one */
function serviceToken({ HOST_ACCESS_CLIENT_ID: id, HOST_ACCESS_CLIENT_SECRET: secret }: Env) {
  if (id === undefined && secret === undefined) return undefined
  if (id === undefined || secret === undefined)
    throw new Error('The secrets HOST_ACCESS_CLIENT_ID and HOST_ACCESS_CLIENT_SECRET go together.')
  return { id, secret }
}

/** @throws when there is half of it: nobody shall believe that Access counts when it does not */
function accessOf({ ACCESS_TEAM: team, ACCESS_AUD: audience }: Env, now: () => number): Access | undefined {
  if (team === undefined && audience === undefined) return undefined
  if (team === undefined || audience === undefined)
    throw new Error('The variables ACCESS_TEAM and ACCESS_AUD go together.')
  return createAccess({ team, audience, log, now })
}

/** Where nothing is bound, as in a workerd of one's own, each isolate counts for itself. */
function failureCounter(env: Env, now: () => number): FailureCounter {
  const local = createFailureCounter({ now })
  const { FAILURES_PAIR: pair, FAILURES_NETWORK: network, FAILURES_USER: user } = env
  if (pair === undefined || network === undefined || user === undefined) return local
  return createSharedFailureCounter({ local, limits: { pair, network, user }, log })
}

/** @throws on what is no number of seconds: nobody shall stay signed in for longer than was meant */
function sessionLimits({ SESSION_ABSOLUTE, SESSION_IDLE }: Env): SessionLimits {
  return {
    absolute: seconds('SESSION_ABSOLUTE', SESSION_ABSOLUTE) ?? DEFAULT_SESSION_LIMITS.absolute,
    idle: seconds('SESSION_IDLE', SESSION_IDLE) ?? DEFAULT_SESSION_LIMITS.idle,
  }
}

function seconds(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text)
  throw new Error(`The variable ${name} is no number of seconds.`)
}

function sessionKeys({ SESSION_KEY, SESSION_KEY_PREVIOUS }: Env): SessionKeys {
  const key = readKey('SESSION_KEY', SESSION_KEY)
  return SESSION_KEY_PREVIOUS === undefined
    ? [key]
    : [key, readKey('SESSION_KEY_PREVIOUS', SESSION_KEY_PREVIOUS)]
}

function readKey(name: string, base64: string | undefined): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = Uint8Array.from(atob(base64 ?? ''), (character) => character.charCodeAt(0))
  } catch {
    throw new Error(`The secret ${name} is not base64.`)
  }
  if (bytes.length < MIN_KEY_BYTES) {
    throw new Error(`The secret ${name} is missing, or has less than ${MIN_KEY_BYTES} bytes.`)
  }
  return bytes
}

function log({ event, ...fields }: LogEvent): void {
  const entries = Object.entries(fields).map(([name, value]) => [name, printable(value)])
  // oxlint-disable-next-line no-console -- the one way to Workers Logs
  console.log(JSON.stringify({ event, ...Object.fromEntries(entries) }))
}

/** An error in JSON is `{}`; of one, its name, its message and its causes are told. */
function printable(value: unknown): unknown {
  if (!(value instanceof Error)) return value
  const own = `${value.name}: ${value.message}`
  return value.cause instanceof Error ? `${own} (${String(printable(value.cause))})` : own
}

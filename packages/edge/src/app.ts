import { isNavigation, Problem, type Decision } from '@mux/contract'
import { Hono } from 'hono'
import type { Access } from './access.ts'
import { answerError, type EdgeEnv } from './answer.ts'
import { createAuthenticator, isAmbient } from './authenticate.ts'
import { SHARED_COOKIES } from './cookie-rules.ts'
import { CookieScope } from './cookie-scope.ts'
import type { EndedSessions } from './ended-sessions.ts'
import type { FailureCounter } from './failures.ts'
import { chooseInstance, locate } from './find-instance.ts'
import type { Log } from './log-event.ts'
import { type DecidedRequest, type Exchange, headerValues } from './forward.ts'
import { Outdated, stale } from './outdated.ts'
import { ownPages, signInAddress } from './own-pages.ts'
import { createPasswordMemory } from './password-memory.ts'
import type { Brand } from './pages/brand.ts'
import type { RegistryReader } from './registry/registry.ts'
import type { Rehash } from './rehash.ts'
import { refuseUnsafe } from './request-check.ts'
import { requestHeaders } from './request-headers.ts'
import { responseHeaders } from './response-headers.ts'
import { isForeignSocket } from './same-origin.ts'
import type { Sessions } from './session.ts'
import type { CompareForeign } from './stored-password.ts'
import type { TokenUse } from './token-use.ts'

export interface AppParts {
  registry: RegistryReader
  sessions: Sessions
  endedSessions: EndedSessions
  failures: FailureCounter
  /** Name of the header, besides `Mux-User`, by which instances learn the user's name. */
  tokenUse: TokenUse
  rehash: Rehash
  access?: Access | undefined
  /** See {@link PasswordMemoryOptions}. */
  compareForeign?: CompareForeign | undefined
  /** See {@link PasswordMemoryOptions}. */
  keepAlive?: ((work: Promise<unknown>) => void) | undefined
  identityHeader: string
  /** Whether each user has cookies of their own with each instance. */
  isolateCookies: boolean
  brand: Brand
  /** What `/_mux/health` says that it is; undefined: nothing. */
  release?: string | undefined
  log: Log
  /** Milliseconds since the epoch. */
  now: () => number
}

/** The edge: one chain for every request, plain or upgrade, whatever runtime took it. */
export function createApp(parts: AppParts): Hono<EdgeEnv> {
  const { registry, sessions, identityHeader, isolateCookies, now } = parts
  const authenticator = createAuthenticator({
    ...parts,
    passwords: createPasswordMemory(parts),
  })
  // Routed by the bytes that came: a path that only some parser would turn into one of ours is not ours.
  const app = new Hono<EdgeEnv>({ getPath: (_request, options) => pathOf(options!.env!.exchange.target) })

  app.onError((error, c) => answerError(error, c, parts.log))

  app.route('/_mux', ownPages({ ...parts, release: parts.release, authenticator }))

  app.all('*', async ({ env: { exchange } }) => {
    refuseUnsafe(exchange)
    const decided = await decide(exchange)
    if (decided instanceof Response) return decided
    try {
      return await exchange.forward(decided)
    } catch (error) {
      if (!(error instanceof Outdated)) throw error
      return await forwardAgain(exchange, decided, error)
    }
  })

  /** What becomes of a request by the records as they are: it goes to an instance, or its client is to sign in. */
  async function decide(exchange: Exchange): Promise<DecidedRequest | Response> {
    const host = exchange.header('host')!
    const navigation = isNavigation(exchange.method, (name) => exchange.header(name))

    const identity = await authenticator.authenticate(exchange)
    if (exchange.upgrade && identity !== undefined && isAmbient(identity)) {
      if (isForeignSocket((name) => exchange.header(name))) throw new Problem('cross_site')
    }
    const choice = await chooseInstance(registry, host, identity)
    if (choice === undefined) {
      if (!navigation) throw new Problem('unauthenticated')
      const headers = {
        Location: signInAddress(exchange.target),
        'Cache-Control': 'no-store',
        'X-Request-Id': exchange.requestId,
      }
      return new Response(null, { status: 303, headers })
    }

    const target = await locate(registry, choice)
    const { user, instance, version } = choice
    const decision: Decision = { user, instance, version, host: target.host, requestId: exchange.requestId }
    const cookies = isolateCookies ? new CookieScope({ instance, user, now }) : SHARED_COOKIES
    const headers = requestHeaders(exchange.rawHeaders, {
      decision,
      cookies,
      identityHeader,
      keepAuthorization: identity?.by !== 'authorization',
      peer: exchange.peer,
      scheme: exchange.scheme,
      host,
    })
    const renewal = identity?.by === 'session' ? sessions.renewal(identity.session) : undefined
    const facts = {
      requestId: exchange.requestId,
      signedIn: identity !== undefined,
      cookies,
      sentCookies: headerValues(exchange.rawHeaders, 'cookie'),
      renewal,
    }
    return {
      decision,
      origin: target.origin,
      headers,
      navigation,
      standing:
        identity === undefined || user === undefined ? undefined : () => authenticator.standing(identity),
      answerHeaders: (raw) => responseHeaders(raw, facts),
    }
  }

  /**
   * Decides by the records as they are now, from the credential on, and asks once more: never a third time, and never by
   * what was refused.
   * @throws {Problem} `registry_stale`, `misdirected`
   */
  async function forwardAgain(
    exchange: Exchange,
    refused: DecidedRequest,
    { facts }: Outdated,
  ): Promise<Response> {
    const decided = await decide(exchange)
    if (decided instanceof Response) return decided
    if (!facts.named && isSamePlace(decided, refused)) throw new Problem('misdirected')
    // The record has arrived, and only the body is gone.
    if (!facts.repeatable) throw stale(1)
    try {
      return await exchange.forward(decided)
    } catch (error) {
      if (error instanceof Outdated && (facts.named || error.facts.named)) throw stale()
      throw error
    }
  }

  return app
}

function isSamePlace(one: DecidedRequest, other: DecidedRequest): boolean {
  const [a, b] = [one.decision, other.decision]
  return (
    a.version === b.version && a.instance === b.instance && a.host === b.host && one.origin === other.origin
  )
}

/** The path of a request target, byte for byte, without its query. */
export function pathOf(target: string): string {
  const mark = target.indexOf('?')
  return mark < 0 ? target : target.slice(0, mark)
}

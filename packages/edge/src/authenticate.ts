import { epochOf, parseUserName, Problem, type UserName, type UserRecord } from '@mux/contract'
import type { Access } from './access.ts'
import { parseAuthorization, type BasicCredentials } from './credentials.ts'
import type { EndedSessions } from './ended-sessions.ts'
import type { FailureCounter } from './failures.ts'
import { headerValues, type Exchange } from './forward.ts'
import type { PasswordClient, PasswordMemory } from './password-memory.ts'
import type { RegistryReader } from './registry/registry.ts'
import type { Session, Sessions } from './session.ts'
import type { TokenUse } from './token-use.ts'
import { hasExpired, parseToken, tokenMatches } from './tokens.ts'

/** Who sent a request, proven. */
export type Identity = { readonly user: UserName; readonly record: UserRecord } & Proof

/** Where the proof stood. `authorization`: the header is used up, and the instance does not see it. */
type Proof =
  | {
      readonly by: 'authorization'
      readonly scheme: 'basic' | 'bearer'
      /** Id of the API token, if it was one. */ readonly token?: string
    }
  | { readonly by: 'session'; readonly session: Session }
  | {
      readonly by: 'access'
      /** In seconds since the epoch; undefined: not known. */ readonly expires: number | undefined
    }

/** True of a proof that a browser adds by itself, whichever site's page asks; of what was once typed into its window, too. */
export function isAmbient(identity: Identity): boolean {
  return identity.by !== 'authorization' || identity.scheme === 'basic'
}

/**
 * How it stands, a while after their request was let in, with somebody: as then; `changed`, so that they have to come
 * again as whoever they are now; `gone`, so that what they came with lets nobody in any more.
 */
export type Standing = 'good' | 'changed' | 'gone'

export interface AuthenticatorParts {
  registry: RegistryReader
  passwords: PasswordMemory
  sessions: Sessions
  endedSessions: EndedSessions
  failures: FailureCounter
  tokenUse: TokenUse
  /** Without it, what Cloudflare Access may say is nothing. */
  access?: Access | undefined
  /** Milliseconds since the epoch. */
  now: () => number
}

type Client = Pick<Exchange, 'peer'> & PasswordClient

export interface Authenticator {
  /**
   * Who sent the request, by `Authorization: Basic` (with a password, or with a token of ours in its place), by a token
   * as `Bearer`, by Cloudflare Access, or by the session cookie, in this order. Undefined when nobody claims to be anybody, or by
   * a session that is over.
   * @throws {Problem} `unauthenticated` on a credential that is ours and wrong, whatever else the request carries;
   *   `no_instance` for somebody whom Access knows and mux does not; `access_unavailable`; `rate_limited`
   */
  authenticate(exchange: Pick<Exchange, 'rawHeaders' | 'access'> & Client): Promise<Identity | undefined>
  /**
   * The user of this name and password.
   * @throws {Problem} `unauthenticated`, the same for an unknown user, a disabled one and a wrong password; `rate_limited`
   */
  checkPassword(
    typedName: string,
    password: string,
    client: Client,
  ): Promise<{ user: UserName; record: UserRecord }>
  /** @throws {RecordError} {@link RegistryError} */
  standing(identity: Identity): Promise<Standing>
}

export function createAuthenticator(parts: AuthenticatorParts): Authenticator {
  const { registry, passwords, sessions, endedSessions, failures, tokenUse, access, now } = parts

  async function checkPassword(typedName: string, password: string, client: Client) {
    const { peer } = client
    const user = parseUserName(typedName)
    const countedAs = user ?? ''
    refuseWhenLimited(countedAs, peer)
    const record = user === undefined ? undefined : await registry.read('user', user)
    const right = await passwords.verify(user ?? typedName, password, record, client)
    if (!right || user === undefined || record === undefined) return refuse(countedAs, peer)
    failures.succeeded(user, peer)
    return { user, record }
  }

  /** @param typedName of the user that it has to be a token of; without one, of anybody */
  async function byToken(token: string, id: string, peer: string, typedName?: string): Promise<Identity> {
    // No user has this name: who guesses at a token keeps nobody from signing in.
    const countedAs = `token:${id}`
    refuseWhenLimited(countedAs, peer)
    const found = await registry.read('token', id)
    if (found === undefined || !tokenMatches(token, found, now())) return refuse(countedAs, peer)
    const { user } = found
    if (typedName !== undefined && parseUserName(typedName) !== user) return refuse(countedAs, peer)
    const record = await registry.read('user', user)
    if (record === undefined || record.disabled) return refuse(countedAs, peer)
    tokenUse.note(id, found)
    return {
      user,
      record,
      by: 'authorization',
      scheme: typedName === undefined ? 'bearer' : 'basic',
      token: id,
    }
  }

  async function byBasic({ user, password }: BasicCredentials, client: Client): Promise<Identity> {
    const token = parseToken(password)
    if (token !== undefined) return byToken(password, token.id, client.peer, user)
    return { ...(await checkPassword(user, password, client)), by: 'authorization', scheme: 'basic' }
  }

  /**
   * Before the cookie, which may be of whoever had the browser before. Somebody who is nobody here is told so, and not asked
   * for a password: who they are is known.
   */
  async function byAccess(exchange: Pick<Exchange, 'rawHeaders' | 'access'>): Promise<Identity | undefined> {
    const claim = await access?.identify(exchange)
    if (claim === undefined) return undefined
    const user = parseUserName(claim.email)
    const record = user === undefined ? undefined : await registry.read('user', user)
    if (user === undefined || record === undefined || record.disabled) throw new Problem('no_instance')
    return { user, record, by: 'access', expires: claim.expires }
  }

  async function bySession(rawHeaders: readonly string[]): Promise<Identity | undefined> {
    const lines = headerValues(rawHeaders, 'cookie')
    const session = lines.length === 0 ? undefined : sessions.read(lines.join('; '))
    if (session === undefined) return undefined
    // Both are begun before one is waited for: where they are far away, that is one way instead of two.
    const ended = endedSessions.has(session)
    if (typeof ended !== 'boolean') ended.catch(() => {})
    const record = await registry.read('user', session.user)
    if (record === undefined || record.disabled || epochOf(record) !== session.epoch) return undefined
    if (await ended) return undefined
    return { user: session.user, record, by: 'session', session }
  }

  async function standing(identity: Identity): Promise<Standing> {
    const record = await registry.read('user', identity.user)
    if (record === undefined || record.disabled) return 'gone'
    if (record.version !== identity.record.version) return 'changed'
    if (identity.by === 'session') {
      const { session } = identity
      return now() >= session.expires * 1000 || (await endedSessions.has(session)) ? 'changed' : 'good'
    }
    if (identity.by === 'access') {
      return identity.expires !== undefined && now() >= identity.expires * 1000 ? 'changed' : 'good'
    }
    if (identity.token === undefined) return 'good'
    const token = await registry.read('token', identity.token)
    return token === undefined || hasExpired(token, now()) ? 'gone' : 'good'
  }

  function refuseWhenLimited(user: string, peer: string): void {
    const retryAfter = failures.check(user, peer)
    if (retryAfter !== undefined) throw new Problem('rate_limited', { retryAfter })
  }

  async function refuse(user: string, peer: string): Promise<never> {
    await failures.failed(user, peer)
    throw new Problem('unauthenticated')
  }

  return {
    // Awaits what it returns: a promise that is returned as it is settles three turns of the microtasks later.
    async authenticate(exchange) {
      const { rawHeaders, peer } = exchange
      const credentials = parseAuthorization(headerValues(rawHeaders, 'authorization'))
      switch (credentials.kind) {
        case 'basic':
          return await byBasic(credentials, exchange)
        case 'bearer':
          return await byToken(credentials.token, credentials.id, peer)
        case 'invalid':
          throw new Problem('unauthenticated')
        case 'none':
        case 'foreign': {
          const known = access === undefined ? undefined : await byAccess(exchange)
          return known ?? (await bySession(rawHeaders))
        }
        default:
          return credentials satisfies never
      }
    },
    checkPassword,
    standing,
  }
}

import { epochOf, type InstanceName, Problem, type ProblemCode } from '@mux/contract'
import { Hono, type Context, type Handler } from 'hono'
import type { EdgeEnv } from './answer.ts'
import type { Authenticator, Identity } from './authenticate.ts'
import { removeAll } from './cookie-scope.ts'
import type { EndedSessions } from './ended-sessions.ts'
import { chooseInstance } from './find-instance.ts'
import { readForm } from './form.ts'
import { headerValues } from './forward.ts'
import { LONGEST_LOCAL_PATH, localPath } from './local-path.ts'
import type { Brand } from './pages/brand.ts'
import { PAGE_HEADERS } from './pages/page.ts'
import { signedInPage, signInPage } from './pages/sign-in.ts'
import type { RegistryReader } from './registry/registry.ts'
import { MethodNotAllowed, refuseUnsafe } from './request-check.ts'
import { isSameOrigin } from './same-origin.ts'
import type { Sessions } from './session.ts'

export interface OwnPagesParts {
  registry: RegistryReader
  sessions: Sessions
  endedSessions: EndedSessions
  authenticator: Authenticator
  brand: Brand
  /** Which deployment of this edge it is, for those who watch over it; undefined: there is only the one. */
  release: string | undefined
}

const SIGN_IN_PATH = '/_mux/signin'
/** Where Cloudflare Access, who answers it itself, ends what it has of somebody. */
const ACCESS_SIGN_OUT_PATH = '/cdn-cgi/access/logout'

/**
 * In the query of a form that a browser sends for the second time. One that was somebody else's is first told to clear all
 * its cookies: those of other paths do not come along, so they cannot be named. That may take along what is set in the
 * same answer, so the browser is to send its form once more (307).
 */
const CLEARED = 'cleared'

/** Why a sign-in by the form failed, as the form says it. */
const SIGN_IN_MESSAGES: Partial<Record<ProblemCode, string>> = {
  unauthenticated: 'That user name and password do not go together.',
  rate_limited: 'Too many attempts to sign in. Wait a little before the next one.',
}

/**
 * Where whoever asked for `target` signs in and comes back from; one that is too long to come back to is left out: percent-encoded
 * it may be three times as long, and then it is an address that neither Cloudflare nor mux takes.
 */
export function signInAddress(target: string): string {
  return target.length > LONGEST_LOCAL_PATH
    ? SIGN_IN_PATH
    : `${SIGN_IN_PATH}?next=${encodeURIComponent(target)}`
}

/** Everything under `/_mux/`: what people and clients ask of mux itself, and what never reaches an instance. */
export function ownPages({
  registry,
  sessions,
  endedSessions,
  authenticator,
  brand,
  release,
}: OwnPagesParts): Hono<EdgeEnv> {
  const pages = new Hono<EdgeEnv>()

  pages.use(async (c, next) => {
    // Nothing of it goes to an instance, but what stands behind it on the connection may.
    refuseUnsafe(c.env.exchange)
    if (c.env.exchange.upgrade) throw new Problem('bad_request')
    c.header('X-Request-Id', c.env.exchange.requestId)
    c.header('Cache-Control', 'no-store')
    await next()
  })

  pages.get('/signin', async (c) => {
    const next = localPath(queryOf(c).get('next') ?? undefined)
    const identity = await identityOrNone(c)
    return page(
      c,
      identity === undefined
        ? signInPage({ brand, next })
        : signedInPage({ brand, next, user: identity.user }),
    )
  })

  pages.post('/signin', async (c) => {
    const { exchange } = c.env
    if (!isSameOrigin((name) => exchange.header(name))) throw new Problem('cross_site')
    exchange.askForBody()
    const form = await readForm(c.req.raw)
    const typedName = form.get('username') ?? ''
    const next = localPath(form.get('next') ?? undefined)
    try {
      const { user, record } = await authenticator.checkPassword(
        typedName.trim(),
        form.get('password') ?? '',
        exchange,
      )
      await endSession(c)
      c.header('Set-Cookie', sessions.issue({ user, epoch: epochOf(record) }).setCookie)
      const isCleared = queryOf(c).has(CLEARED)
      const wasOther = sessions.mayBeOfOther(cookiesOf(c), user)
      if (wasOther && !isCleared && isBrowser(c)) {
        c.header('Clear-Site-Data', '"cache", "cookies", "storage"')
        return c.redirect(`${SIGN_IN_PATH}?${CLEARED}`, 307)
      }
      if (wasOther || isCleared) forgetOther(c)
      return c.redirect(next, 303)
    } catch (error) {
      const message = error instanceof Problem ? SIGN_IN_MESSAGES[error.code] : undefined
      if (!(error instanceof Problem) || message === undefined) throw error
      if (error.retryAfter !== undefined) c.header('Retry-After', String(error.retryAfter))
      // A 401 has to name a scheme (RFC 9110 section 15.5.2); any that browsers know would open a window of theirs.
      else c.header('WWW-Authenticate', 'Form realm="mux"')
      return page(c, signInPage({ brand, next, user: typedName.slice(0, 256), message }), error.status)
    }
  })

  pages.post('/signout', async (c) => {
    if (!isSameOrigin((name) => c.env.exchange.header(name))) throw new Problem('cross_site')
    const identity = await identityOrNone(c)
    await endSession(c)
    c.header('Set-Cookie', sessions.clearCookie())
    c.header('Clear-Site-Data', '"cache", "cookies", "storage"')
    return c.redirect(identity?.by === 'access' ? ACCESS_SIGN_OUT_PATH : SIGN_IN_PATH, 303)
  })

  pages.get('/session', async (c) => {
    const { exchange } = c.env
    const identity = await authenticator.authenticate(exchange)
    if (identity === undefined) throw new Problem('unauthenticated')
    const until = endOf(identity)
    return c.json({
      user: identity.user,
      instance: await instanceOf(identity, exchange.header('host')),
      until: until === undefined ? null : new Date(until * 1000).toISOString(),
    })
  })

  pages.get('/health', async (c) => {
    // An edge that cannot find out who somebody is serves nobody, and a balancer should know. Of a kind of which nothing
    // that was known before is good enough; no token has this id.
    await registry.read('token', 'health')
    return c.json({ status: 'ok', release })
  })

  pages.all('/signin', refuseMethod('GET, HEAD, POST'))
  pages.all('/signout', refuseMethod('POST'))
  pages.all('/session', refuseMethod('GET, HEAD'))
  pages.all('/health', refuseMethod('GET, HEAD'))
  pages.all('/*', () => {
    throw new Problem('not_found')
  })

  /** Has a browser forget what it has of the site and can be named; our own cookie is being set anew. */
  function forgetOther(c: Context<EdgeEnv>): void {
    for (const removal of removeAll(cookiesOf(c))) c.header('Set-Cookie', removal, { append: true })
    c.header('Clear-Site-Data', '"cache", "storage"')
  }

  /** Ends the session that this browser has, and every copy of its cookie. */
  async function endSession(c: Context<EdgeEnv>): Promise<void> {
    const session = sessions.read(cookiesOf(c))
    if (session !== undefined) await endedSessions.end(session)
  }

  /** When whoever it is has to sign in again, in seconds since the epoch; undefined: not as long as this request is sent. */
  function endOf(identity: Identity): number | undefined {
    if (identity.by === 'session') return sessions.endOf(identity.session)
    return identity.by === 'access' ? identity.expires : undefined
  }

  async function identityOrNone(c: Context<EdgeEnv>) {
    try {
      return await authenticator.authenticate(c.env.exchange)
    } catch (error) {
      // The page where one signs in is shown to those who failed to, too.
      if (error instanceof Problem) return undefined
      throw error
    }
  }

  async function instanceOf(identity: Identity, host: string | undefined): Promise<InstanceName | null> {
    try {
      return (await chooseInstance(registry, host, identity))?.instance ?? null
    } catch (error) {
      if (error instanceof Problem) return null
      throw error
    }
  }

  return pages
}

function page(c: Context<EdgeEnv>, markup: ReturnType<typeof signInPage>, status = 200) {
  return c.html(markup, { status: status as never, headers: PAGE_HEADERS as Record<string, string> })
}

function cookiesOf(c: Context<EdgeEnv>): string {
  return headerValues(c.env.exchange.rawHeaders, 'cookie').join('; ')
}

/** Every browser of the last years says so of a form, on the origins where it obeys `Clear-Site-Data`. */
function isBrowser(c: Context<EdgeEnv>): boolean {
  return c.env.exchange.header('sec-fetch-mode') === 'navigate'
}

/** The query as it came: the web Request's own URL is not the one that was asked for. */
function queryOf(c: Context<EdgeEnv>): URLSearchParams {
  const { target } = c.env.exchange
  const mark = target.indexOf('?')
  return new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1))
}

function refuseMethod(allow: string): Handler<EdgeEnv> {
  return () => {
    throw new MethodNotAllowed(allow)
  }
}

import { Problem } from '@mux/contract'
import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from 'jose'
import { BoundedMap } from './bounded-map.ts'
import { headerValues, type Exchange } from './forward.ts'
import type { Log } from './log-event.ts'
import { within } from './time-limit.ts'

/** What Cloudflare's platform tells a Worker of Access, where it is Access itself that let the request in. */
export interface PlatformAccess {
  readonly aud: string
  getIdentity(): Promise<{ email?: string | undefined } | undefined>
}

/** Somebody whom Access has let in. */
export interface AccessClaim {
  email: string
  /** When that ends, in seconds since the epoch; undefined where the platform does not say. */
  expires: number | undefined
}

export interface AccessOptions {
  /** The name of the team at Cloudflare: `TEAM` of `TEAM.cloudflareaccess.com`. */
  team: string
  /** The audience tag of the application that stands before this edge. */
  audience: string
  log: Log
  /** Milliseconds since the epoch. */
  now: () => number
  fetch?: typeof fetch
}

/** Cloudflare Access as the one who says who somebody is. */
export interface Access {
  /**
   * Who sent a request, as Access says; undefined when it says nothing, or lets in a program, which has no address.
   * @throws {Problem} `unauthenticated` on an assertion that is not good for this edge; `access_unavailable`
   */
  identify(request: Pick<Exchange, 'rawHeaders' | 'access'>): Promise<AccessClaim | undefined>
}

const ASSERTION = 'cf-access-jwt-assertion'
const TEAM = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const AUDIENCE = /^[0-9a-f]{64}$/
/** Longer than any that Access makes, in characters. */
const MAX_ASSERTION = 8 * 1024
/** How long the keys of a team are trusted, and how often they are asked for at most for a key that is not among them, in ms. */
const KEYS_HELD = 60 * 60_000
const KEYS_RETRY = 30_000
/** How long the keys, or what the platform says, may take, in milliseconds. */
const TIMEOUT = 5_000
/** How far the clock here may be from the one of Access, in seconds. */
const SKEW = 10
/** How long an assertion that was verified is not verified again, in milliseconds: a key that is taken back counts then. */
const VERIFIED_FOR = 60_000
const CAPACITY = 1_000
/** Seconds after which to try again when Access cannot be asked. */
const RETRY = 5

interface Verified {
  claim: AccessClaim | undefined
  until: number
}

/** @throws {RangeError} on a team or an audience that is none */
export function createAccess({ team, audience, log, now, fetch: fetchKeys }: AccessOptions): Access {
  if (!TEAM.test(team)) throw new RangeError('ACCESS_TEAM is not the name of a team, such as "example".')
  if (!AUDIENCE.test(audience)) throw new RangeError('ACCESS_AUD is not the audience tag of an application.')
  const issuer = `https://${team}.cloudflareaccess.com`
  const keys = createRemoteJWKSet(new URL(`${issuer}/cdn-cgi/access/certs`), {
    cacheMaxAge: KEYS_HELD,
    cooldownDuration: KEYS_RETRY,
    timeoutDuration: TIMEOUT,
    ...(fetchKeys === undefined ? {} : { [customFetch]: fetchKeys }),
  })
  const verified = new BoundedMap<string, Verified>(CAPACITY)

  async function verify(assertion: string): Promise<AccessClaim | undefined> {
    const known = verified.get(assertion)
    if (known !== undefined && now() < known.until) return known.claim
    try {
      const { payload } = await jwtVerify(assertion, keys, {
        algorithms: ['RS256'],
        issuer,
        audience,
        requiredClaims: ['exp'],
        clockTolerance: SKEW,
        currentDate: new Date(now()),
      })
      const claim = claimOf(payload)
      verified.set(assertion, { claim, until: Math.min(now() + VERIFIED_FOR, payload.exp! * 1000) })
      return claim
    } catch (error) {
      throw refusal(error)
    }
  }

  async function ask(access: PlatformAccess): Promise<AccessClaim | undefined> {
    let email: unknown
    try {
      email = (await within(TIMEOUT, access.getIdentity()))?.email
    } catch (error) {
      throw unavailable(error)
    }
    return typeof email === 'string' ? { email, expires: undefined } : undefined
  }

  function refusal(error: unknown): Problem {
    if (!REFUSED.some((kind) => error instanceof kind)) return unavailable(error)
    // Its code only: the message of one tells what stood in the assertion.
    log({ event: 'access_refused', reason: (error as errors.JOSEError).code })
    return new Problem('unauthenticated')
  }

  function unavailable(cause: unknown): Problem {
    log({ event: 'access_unavailable', error: cause })
    return new Problem('access_unavailable', { retryAfter: RETRY, cause })
  }

  return {
    async identify({ rawHeaders, access }) {
      if (access?.aud === audience) return await ask(access)
      const assertions = headerValues(rawHeaders, ASSERTION)
      if (assertions.length === 0) return undefined
      const assertion = assertions.join(',')
      if (assertion.length <= MAX_ASSERTION) return await verify(assertion)
      throw refusal(new errors.JWTInvalid('it is too long'))
    },
  }
}

/** A service token is a program's: it has no address, and a name in its place. */
function claimOf({ email, exp }: JWTPayload): AccessClaim | undefined {
  return typeof email === 'string' && email !== '' ? { email, expires: exp } : undefined
}

/** What is the assertion's fault. Everything else is taken for a fault of ours, or of the way to the keys. */
const REFUSED = [
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSMultipleMatchingKeys,
  errors.JWKSNoMatchingKey,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWTClaimValidationFailed,
  errors.JWTExpired,
  errors.JWTInvalid,
]

import { foldedName, isHopByHop } from '@mux/contract'
import { rememberByName } from './by-name.ts'
import type { CookieRules } from './cookie-rules.ts'
import { keepPrivate } from './keep-private.ts'
import { nominatedBy } from './nominated.ts'
import { looksLikeSignIn } from './sign-in-cookies.ts'

export interface AnswerFacts {
  requestId: string
  /** Whether the answer is for somebody, and so for nobody else. */
  signedIn: boolean
  cookies: CookieRules
  /** Each `Cookie` line of the request, as it came. */
  sentCookies: readonly string[]
  /** A `Set-Cookie` of ours to add. */
  renewal: string | undefined
}

/**
 * Builds the header list that the client receives of an instance's answer: the answer's own, duplicates and order kept,
 * less what concerns the connection to the instance only and what no instance may say in our name.
 */
export function responseHeaders(raw: readonly string[], facts: AnswerFacts): string[] {
  const { requestId, signedIn, cookies, renewal } = facts
  const nominated = nominatedBy(raw)
  const list: string[] = []
  let cacheControl: string | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    const value = raw[i + 1]!
    const { lowerName, dropped, ofSharedCaches } = judge(name)
    if (dropped || nominated?.has(lowerName)) continue
    if (lowerName === 'www-authenticate' && asksForBasic(value)) continue
    if (lowerName === 'set-cookie') {
      if (!setsSignIn(value)) for (const one of cookies.toBrowser(withoutDomain(value))) list.push(name, one)
      continue
    }
    if (lowerName === 'clear-site-data') {
      const { others, hasCookies } = clearances(value)
      if (others !== '') list.push(name, others)
      const removals = hasCookies ? cookies.removals(facts.sentCookies.join('; ')) : []
      for (const removal of removals) list.push('Set-Cookie', removal)
      continue
    }
    if (signedIn) {
      if (ofSharedCaches) continue
      if (lowerName === 'cache-control') {
        cacheControl = cacheControl === undefined ? value : `${cacheControl}, ${value}`
        continue
      }
    }
    list.push(name, value)
  }
  if (signedIn) list.push('Cache-Control', keepPrivate(cacheControl))
  if (renewal !== undefined) list.push('Set-Cookie', renewal)
  list.push('X-Request-Id', requestId)
  return list
}

const SHARED_CACHE_ORDERS: ReadonlySet<string> = new Set([
  'surrogate-control',
  'x-accel-expires',
  'edge-control',
])

const judge = rememberByName((name) => {
  const lowerName = name.toLowerCase()
  const folded = foldedName(name)
  const reserved = folded === 'x-request-id' || folded.startsWith('mux-')
  return {
    lowerName,
    dropped: reserved || isHopByHop(name),
    // Orders to the caches of a network in between, which go before Cache-Control there (RFC 9213); nginx and Akamai have one
    // of their own.
    ofSharedCaches: lowerName.endsWith('cdn-cache-control') || SHARED_CACHE_ORDERS.has(lowerName),
  }
})

/**
 * What an instance has a browser clear (https://www.w3.org/TR/clear-site-data/). Its cookies are removed by name: the order
 * to clear all of the site would end our session, too, and take those of other hosts of the domain.
 */
function clearances(value: string): { others: string; hasCookies: boolean } {
  const types = value.split(',').map((type) => type.trim())
  const others = types.flatMap((type) => (type === '"*"' ? ['"cache"', '"storage"'] : [type]))
  return {
    others: others.filter((type) => type !== '"cookies"').join(', '),
    hasCookies: types.some((type) => type === '"cookies"' || type === '"*"'),
  }
}

/**
 * True when a browser would ask for a name and a password, of which mux takes the answer: whatever is typed there signs
 * somebody else in, or nobody, at each request until the browser ends. With a challenge of another kind in the same line,
 * that goes too.
 */
function asksForBasic(challenges: string): boolean {
  return /(?:^|,)[ \t]*basic(?:[ \t,]|$)/i.test(challenges)
}

/**
 * Browsers trim the name of a cookie before they look at it (RFC 6265bis section 5.6), and send one without a name as its
 * value alone, which may read like a name and a value.
 */
function setsSignIn(value: string): boolean {
  const pair = value.slice(0, value.search(/;|$/)).replace(/^[\s=]+/, '')
  const name = pair.slice(0, pair.search(/=|$/)).trim()
  return looksLikeSignIn(name)
}

/** A cookie for the whole domain would go to the other sites in it, and one of theirs would come here in its place. */
function withoutDomain(value: string): string {
  return value.replace(/;[ \t]*domain[ \t]*(?:=[^;]*)?(?=;|$)/gi, '')
}

import { foldedName, isHopByHop, isTrustedName, type Decision } from '@mux/contract'
import { rememberByName } from './by-name.ts'
import { nominatedBy } from './nominated.ts'
import type { CookieRules } from './cookie-rules.ts'

/** The header by which an application that knows nothing of mux learns who is there. */
export const DEFAULT_IDENTITY_HEADER = 'X-Remote-User'

/** The body's framing and the client's wish to be asked for it are settled between the two hops. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'expect'])
/** Names that are dropped only in a disguise: a second spelling of them would be believed as the first. */
const DISGUISED: ReadonlySet<string> = new Set([
  'authorization',
  'content-type',
  'cookie',
  'host',
  'sec-websocket-key',
])

export interface InstanceFacts {
  decision: Decision
  /** Lower- or mixed-case name of the configured identity header. */
  identityHeader: string
  /** False when the credential in `Authorization` was ours and has been used up. */
  keepAuthorization: boolean
  cookies: CookieRules
  peer: string
  scheme: 'http' | 'https'
  /** The one by which the request was routed; what stands in `Host` of a proxy's request may be another. */
  host: string
}

/**
 * Builds the header list that the instance receives: what comes from outside and could be taken for ours is left out,
 * then ours is added once. Never "add if absent".
 */
export function requestHeaders(raw: readonly string[], facts: InstanceFacts): string[] {
  const { decision } = facts
  const identity = foldedName(facts.identityHeader)
  const nominated = nominatedBy(raw)
  const list: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    const { lowerName, folded, dropped } = judge(name)
    if (dropped || folded === identity) continue
    // Nominating Host or Cookie must not take them away: they belong to the request, not to the connection.
    if (nominated?.has(lowerName) && !DISGUISED.has(lowerName)) continue
    if (lowerName === 'authorization' && !facts.keepAuthorization) continue
    if (lowerName === 'cookie') {
      const cookies = facts.cookies.toInstance(raw[i + 1]!)
      if (cookies !== undefined) list.push(name, cookies)
      continue
    }
    list.push(name, lowerName === 'host' ? facts.host : raw[i + 1]!)
  }
  if (decision.user !== undefined) list.push('Mux-User', decision.user, facts.identityHeader, decision.user)
  list.push('Mux-Instance', decision.instance, 'X-Request-Id', decision.requestId)
  list.push('X-Forwarded-For', facts.peer, 'X-Forwarded-Proto', facts.scheme, 'X-Forwarded-Host', facts.host)
  return list
}

/** What a name is worth by itself, whatever the request. */
const judge = rememberByName((name) => {
  const lowerName = name.toLowerCase()
  const folded = foldedName(name)
  const disguised = folded !== lowerName && DISGUISED.has(folded)
  return {
    lowerName,
    folded,
    dropped: isTrustedName(folded) || disguised || isHopByHop(folded) || FRAMING.has(folded),
  }
})

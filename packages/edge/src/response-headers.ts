import { foldedName, isHopByHop } from '@mux/contract'
import { rememberByName } from './by-name.ts'
import { nominatedBy } from './nominated.ts'
import { SESSION_COOKIE } from './session.ts'

/**
 * Builds the header list that the client receives of an instance's answer: the answer's own, duplicates and order kept,
 * less what concerns the connection to the instance only and what no instance may say in our name.
 */
export function responseHeaders(raw: readonly string[], requestId: string): string[] {
  const nominated = nominatedBy(raw)
  const list: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    const value = raw[i + 1]!
    const { lowerName, dropped } = judge(name)
    if (dropped || nominated?.has(lowerName)) continue
    if (lowerName === 'set-cookie' && setsOurCookie(value)) continue
    list.push(name, value)
  }
  list.push('X-Request-Id', requestId)
  return list
}

const judge = rememberByName((name) => {
  const folded = foldedName(name)
  const reserved = folded === 'x-request-id' || folded.startsWith('mux-')
  return { lowerName: name.toLowerCase(), dropped: reserved || isHopByHop(name) }
})

/** Browsers trim the name of a cookie before they look at it (RFC 6265bis section 5.6). */
function setsOurCookie(value: string): boolean {
  const name = value.slice(0, value.search(/[=;]|$/)).trim()
  return name.toLowerCase() === SESSION_COOKIE.toLowerCase()
}

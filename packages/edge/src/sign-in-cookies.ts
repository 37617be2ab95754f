import { SESSION_COOKIE } from './session.ts'

/** What the names of Cloudflare Access's cookies begin with; the first of them is as good as an assertion. */
const ACCESS_START = 'CF_A'
const NAMES: ReadonlySet<string> = new Set([SESSION_COOKIE, 'CF_Authorization', 'CF_AppSession'])
const FOLDED: ReadonlySet<string> = new Set([...NAMES].map((name) => name.toLowerCase()))

/** Whether people are signed in by a cookie of this name, with mux or with Access before it: no instance sees it. */
export function signsIn(name: string | undefined): boolean {
  return name !== undefined && NAMES.has(name)
}

/** Whether somebody could take it for one: no instance sets it. */
export function looksLikeSignIn(name: string): boolean {
  return FOLDED.has(name.toLowerCase())
}

/** False for a `Cookie` header that has none, which is nearly every one. */
export function mayHaveSignIn(header: string): boolean {
  return header.includes(SESSION_COOKIE) || header.includes(ACCESS_START)
}

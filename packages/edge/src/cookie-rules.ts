import { removeAll, withoutSignIn } from './cookie-scope.ts'

/** What becomes of the cookies of one exchange. */
export interface CookieRules {
  /** What the instance receives of a `Cookie` header; undefined when nothing is left. Asked before {@link toBrowser}. */
  toInstance(header: string): string | undefined
  /** What the browser receives of a `Set-Cookie` of the instance. */
  toBrowser(setCookie: string): string[]
  /** `Set-Cookie` values that remove what of a `Cookie` header is the instance's. */
  removals(header: string): string[]
}

/** All instances share the cookies of a browser, as they share its origin. */
export const SHARED_COOKIES: CookieRules = {
  toInstance: withoutSignIn,
  toBrowser: (setCookie) => [setCookie],
  removals: (header) => removeAll(header),
}

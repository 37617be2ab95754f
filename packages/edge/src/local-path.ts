/** Stands for whatever origin we are on: a path is local when it stays on it. */
const BASE = 'http://mux.invalid'
/** The longest path that one comes back to after signing in, in characters. */
export const LONGEST_LOCAL_PATH = 2048
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const UNPRINTABLE = /[\x00-\x20\x7f\\]/

/** True for the addresses that mux keeps for itself, which never reach an instance. */
export function isReservedPath(path: string): boolean {
  return path === '/_mux' || path.startsWith('/_mux/')
}

/**
 * The place to go to after signing in: the path that was asked for when it is one of this origin, else `/`.
 * Open redirects hide in what browsers make of odd paths (`//evil`, `/\evil`, `/.//evil`, `/<tab>/evil`), so the text
 * is parsed, built anew, and must then mean the same again.
 */
export function localPath(text: string | undefined): string {
  if (
    text === undefined ||
    text.length > LONGEST_LOCAL_PATH ||
    !text.startsWith('/') ||
    UNPRINTABLE.test(text)
  )
    return '/'
  const url = URL.parse(text, BASE)
  if (url === null || url.origin !== BASE || isReservedPath(url.pathname)) return '/'
  const path = url.pathname + url.search + url.hash
  return !path.startsWith('//') && URL.parse(path, BASE)?.href === url.href ? path : '/'
}

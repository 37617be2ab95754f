/**
 * Headers that concern one connection only (RFC 9110 section 7.6.1 with the older ones that are still met), to be
 * dropped by every hop in both directions, besides those that `Connection` itself names.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name.toLowerCase())
}

/** The lower-case names that the values of `Connection` headers nominate as hop-by-hop. */
export function nominatedNames(connectionValues: readonly string[]): Set<string> {
  return new Set(
    connectionValues
      .flatMap((value) => value.split(','))
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== ''),
  )
}

/**
 * What a backend may make of a header's name: CGI and WSGI turn `-` into `_` and fold case (RFC 3875 section 4.1.18),
 * and others have been seen to treat any punctuation alike. Two names with one folded form are one name to somebody,
 * so a name that folds onto a trusted one is never passed on from outside.
 */
export function foldedName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

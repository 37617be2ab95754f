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
 * and others have been seen to treat any punctuation alike, or to see words alone (`xRemoteUser`), however many signs
 * stand between and around them. Two names with one folded form are one name to somebody, so a name that folds onto a
 * trusted one is never passed on from outside.
 */
export function foldedName(name: string): string {
  const folded = name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return folded.startsWith('-') || folded.endsWith('-') ? folded.replace(/^-|-$/g, '') : folded
}

const TRUSTED: ReadonlySet<string> = new Set([
  'remote-user',
  'x-remote-user',
  'x-request-id',
  'forwarded',
  'signature',
  'signature-input',
  // CGI makes HTTP_PROXY of it, which HTTP clients obey (httpoxy).
  'proxy',
  // Of CGI itself (RFC 3875 section 4.1); gunicorn takes the first two from whoever reaches it by a socket.
  'script-name',
  'path-info',
  'auth-type',
  'remote-addr',
  'remote-host',
  'remote-ident',
  // Where a request came from, as the fronts of this and that network tell it.
  'x-real-ip',
  'client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'cf-pseudo-ipv4',
  'do-connecting-ip',
  'fastly-client-ip',
  'fly-client-ip',
  'proxy-client-ip',
  'wl-proxy-client-ip',
  'x-appengine-user-ip',
  'x-azure-clientip',
  'x-envoy-external-address',
  'x-forwarded',
  'forwarded-for',
  'x-original-forwarded-for',
  'x-originating-ip',
  'x-remote-addr',
  'x-remote-ip',
  'x-scheme',
  'x-url-scheme',
  'front-end-https',
  // What was asked for before a front rewrote it, which some frameworks route by.
  'x-host',
  'x-http-host-override',
  'x-original-host',
  'x-original-url',
  'x-rewrite-url',
  // How a front has an application's files sent, and a framework calls itself.
  'x-sendfile-type',
  'x-accel-mapping',
  'x-middleware-subrequest',
])
// What Cloudflare Access says of somebody, and what it is said itself, which is somebody's to use.
const TRUSTED_PREFIXES = ['mux-', 'x-forwarded-', 'cf-access-']

/**
 * True for a folded name that an instance, or what it is built with, believes without proof. Neither as a header nor
 * as a trailer is one ever passed on from outside, in any spelling that folds onto it: believing `X_Remote_User` is
 * what oauth2-proxy, Traefik, Caddy and Django each had to fix. The configured identity header is one more of them.
 */
export function isTrustedName(folded: string): boolean {
  return TRUSTED.has(folded) || TRUSTED_PREFIXES.some((prefix) => folded.startsWith(prefix))
}

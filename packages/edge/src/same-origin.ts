/**
 * True when a form was certainly sent by a page of this very site. Every browser of the last years says so itself, by
 * `Sec-Fetch-Site` (on trustworthy origins) or by `Origin`; a request that says neither proves nothing.
 * The scheme of `Origin` is not compared, because a TLS front may stand before us.
 * @param header the value of a request header by its lower-case name
 */
export function isSameOrigin(header: (name: string) => string | undefined): boolean {
  const site = header('sec-fetch-site')
  const origin = header('origin')
  if (site === undefined && origin === undefined) return false
  if (site !== undefined && site !== 'same-origin') return false
  // A page with the policy to send no referrer, as many applications have by default, names no origin either: then the browser's
  // own word counts, which is `cross-site` for whoever has no origin to name, such as a sandboxed frame.
  if (site !== undefined && origin === 'null') return true
  return origin === undefined || hostOf(origin) === hostOf(`http://${header('host') ?? ''}`)
}

/**
 * True when a page of another site has certainly asked for a WebSocket: browsers always name the origin then (RFC 6455
 * section 10.2), and programs that are none need not. They attach a cookie, and a password that was typed into their
 * window, whichever page asks, and let it read what comes.
 */
export function isForeignSocket(header: (name: string) => string | undefined): boolean {
  // Where a browser says this too, it has compared the scheme, of which we may not know behind a TLS front.
  const site = header('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin') return true
  const origin = header('origin')
  return origin !== undefined && hostOf(origin) !== hostOf(`http://${header('host') ?? ''}`)
}

/** Host and port as a browser writes them in `Origin`; a marker that equals nothing for what is no origin. */
function hostOf(origin: string): string | symbol {
  const url = /^https?:\/\/[^/?#@\\]+$/.test(origin) ? URL.parse(origin) : null
  return url === null ? Symbol('no origin') : url.host
}

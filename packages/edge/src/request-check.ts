import { Problem } from '@mux/contract'
import { rememberByName } from './by-name.ts'
import { headerValues, type Exchange } from './forward.ts'

const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/
/** A path and perhaps a query, of printable ASCII. Which characters are legal in a URL is left to the instance. */
const TARGET = /^\/[!-~]*$/
/** The longest target, in characters: what Cloudflare takes as a URL, so that both hosts take the same. */
const MAX_TARGET = 16 * 1024

/** What a client may ask an instance to do; `TRACE` would hand credentials back, `CONNECT` is for proxies. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(['TRACE', 'CONNECT', 'TRACK'])

/** A method that an address does not take, with those that it does. */
export class MethodNotAllowed extends Problem {
  readonly allow: string
  constructor(allow: string) {
    super('method_not_allowed')
    this.allow = allow
  }
}

type Checked = Pick<Exchange, 'method' | 'httpVersion' | 'target' | 'rawHeaders' | 'upgrade' | 'header'>

/**
 * Refuses what two programs could read in two ways: a request is forwarded only when there is one way to read it.
 * @throws {Problem} `bad_request`, `method_not_allowed`, `target_too_long`
 */
export function refuseUnsafe(request: Checked): void {
  if (REFUSED_METHODS.has(request.method))
    throw new MethodNotAllowed('GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  // Node's parser takes 0.9 and 2.0 as well, of which it frames neither.
  const isCurrent = request.httpVersion === '1.1'
  if (!isCurrent && request.httpVersion !== '1.0') throw new Problem('bad_request')
  if (!TARGET.test(request.target)) throw new Problem('bad_request')
  if (request.target.length > MAX_TARGET) throw new Problem('target_too_long')
  if (request.upgrade && !(isCurrent && isWebSocket(request))) throw new Problem('bad_request')
  let hosts = 0
  let lengths = 0
  let encodings = 0
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i]!
    // By its length first: most names are not even lower-cased.
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
    else if (name.length === 14 && name.toLowerCase() === 'content-length') lengths++
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') encodings++
  }
  if (hosts !== 1 || !isHost(request.header('host') ?? '')) throw new Problem('bad_request')
  if (lengths + encodings > 1) throw new Problem('bad_request')
  // HTTP/1.0 has no chunks: something on the way there may have taken them for the body (RFC 9112 section 6.1).
  if (encodings === 1 && !(isCurrent && request.header('transfer-encoding')!.toLowerCase() === 'chunked'))
    throw new Problem('bad_request')
}

/** An instance may make a URL of its Host: one of which none can be made, such as with port 99999, is refused here. */
const isHost = rememberByName((host) => HOST.test(host) && URL.canParse(`http://${host}/`))

function isWebSocket(request: Checked): boolean {
  if (request.method !== 'GET') return false
  const values = headerValues(request.rawHeaders, 'upgrade')
  return values.length === 1 && values[0]!.toLowerCase() === 'websocket'
}

/**
 * Turns a target in absolute form, which every server has to take (RFC 9112 section 3.2.2), into the usual one. Only
 * when it names the same host as `Host` does, so that what is routed, signed and forwarded is never two things; any
 * other target comes back as it is.
 */
export function originForm(target: string, host: string | undefined): string {
  if (target.startsWith('/') || host === undefined) return target
  const match = /^https?:\/\/([^/?#]+)(\/.*)?$/i.exec(target)
  return match !== null && match[1]!.toLowerCase() === host.toLowerCase() ? (match[2] ?? '/') : target
}

import { foldedName, isHopByHop, isTrustedName, nominatedNames } from '@mux/contract'

/** How the body of a request is delimited, and whether its client waits to be asked for it (RFC 9110 section 10.1.1). */
export interface BodyFraming {
  /** Value of Content-Length; undefined when there is none. */
  length: string | undefined
  chunked: boolean
  expectsContinue: boolean
}

/**
 * Reads the framing of a request from its raw header list, names and values in turn. `undefined` when the framing is
 * none that two parsers could not disagree about: several lengths, a length besides an encoding, an encoding that is
 * not plain `chunked`.
 */
export function bodyFraming(rawHeaders: readonly string[]): BodyFraming | undefined {
  let length: string | undefined
  let encoding: string | undefined
  let expectsContinue = false
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    // Comparing lengths first spares the folding of every other name, on every request.
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      if (length !== undefined) return undefined
      length = rawHeaders[at + 1]!
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      if (encoding !== undefined) return undefined
      encoding = rawHeaders[at + 1]!.toLowerCase()
    } else if (name.length === 6 && name.toLowerCase() === 'expect') {
      expectsContinue ||= rawHeaders[at + 1]!.toLowerCase() === '100-continue'
    }
  }
  if (encoding !== undefined && (encoding !== 'chunked' || length !== undefined)) return undefined
  return { length, chunked: encoding !== undefined, expectsContinue }
}

/** The value of the first header of that name in a raw list; `undefined` when there is none. */
export function firstHeader(rawHeaders: readonly string[], lowerCaseName: string): string | undefined {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    if (name.length === lowerCaseName.length && name.toLowerCase() === lowerCaseName)
      return rawHeaders[at + 1]
  }
  return undefined
}

/** Header list of an answer without a length where its status allows no body (RFC 9110 section 8.6). */
export function lengthAllowedBy(status: number, headers: string[]): string[] {
  return status === 204 || status < 200
    ? endToEnd(headers, (name) => name.toLowerCase() === 'content-length')
    : headers
}

/**
 * Whether an answer may end anywhere without a loss that its client can't see: a stream of events has no length, and what
 * of an event stands at its end without an empty line behind it counts for nothing (WHATWG HTML section 9.2.6).
 */
export function isOpenEnded(headers: readonly string[]): boolean {
  return (
    /^text\/event-stream *(?:;|$)/i.test(firstHeader(headers, 'content-type') ?? '') &&
    firstHeader(headers, 'content-length') === undefined
  )
}

/**
 * A test for the names, in any spelling that some backend takes for the same one, that only mux may send.
 * @param identityHeader the configured one, besides `Mux-User`
 */
export function trustedNames(identityHeader: string): (name: string) => boolean {
  const identity = foldedName(identityHeader)
  return (name) => {
    const folded = foldedName(name)
    return folded === identity || isTrustedName(folded)
  }
}

/** Names that a trailer must not have, because they frame, route, authenticate or tell caches what to do (RFC 9110 section 6.5.1). */
const NEVER_TRAILING = new Set([
  'host',
  'authorization',
  'cookie',
  'set-cookie',
  'cache-control',
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'expect',
  'range',
])

/**
 * The trailers of a request or answer that may be passed on, of a raw list, as pairs. A server may merge trailers into
 * the headers, so one that could pass for a header of ours is as dangerous here as there.
 * @param rawHeaders of the message that they trail
 */
export function passingTrailers(
  rawTrailers: readonly string[],
  rawHeaders: readonly string[],
  isTrusted: (name: string) => boolean,
): [string, string][] {
  if (rawTrailers.length === 0) return []
  const nominated = nominatedIn(rawHeaders)
  const passing: [string, string][] = []
  for (let at = 0; at < rawTrailers.length; at += 2) {
    const name = rawTrailers[at]!
    const folded = foldedName(name)
    if (isHopByHop(folded) || NEVER_TRAILING.has(folded) || isTrusted(name)) continue
    if (nominated.has(name.toLowerCase())) continue
    passing.push([name, rawTrailers[at + 1]!])
  }
  return passing
}

/** A raw header list without what concerns one connection only, and without the names that `drop` tells. */
export function endToEnd(rawHeaders: readonly string[], drop: (name: string) => boolean): string[] {
  const nominated = nominatedIn(rawHeaders)
  const kept: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    if (isHopByHop(name) || nominated.has(name.toLowerCase()) || drop(name)) continue
    kept.push(name, rawHeaders[at + 1]!)
  }
  return kept
}

/** The lower-case names that the `Connection` headers of a raw list nominate, also for its trailers (RFC 9110 section 7.6.1). */
function nominatedIn(rawHeaders: readonly string[]): Set<string> {
  const nominations: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.toLowerCase() === 'connection') nominations.push(rawHeaders[at + 1]!)
  }
  return nominatedNames(nominations)
}

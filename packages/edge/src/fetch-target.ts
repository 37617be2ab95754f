import { Problem } from '@mux/contract'

/** Stands for whatever origin is fetched from. */
const BASE = 'http://mux.invalid'
/** What makes a URL of a target say something else than the target itself. */
const ODD = /["'<>`{}^|\\]|\/(?:\.|%2e)/i
/** The percent-encoded forms of those that a URL has encoded, in a path or in a query (WHATWG URL sections 1.3 and 4.4). */
const ENCODED = /%(?:22|27|3C|3E|5E|60|7B|7C|7D)/gi

/**
 * The path and query that a fetch of `target` will send: `fetch` takes URLs only, which encode some characters. What is
 * signed has to be that, or the host refuses it.
 * @throws {Problem} `bad_request` when it would ask for another path: dot segments are gone in a URL, and `\` is `/`
 */
export function fetchTarget(target: string): string {
  if (!ODD.test(target)) return target
  const { href, origin } = new URL(BASE + target)
  const sent = href.slice(origin.length)
  const plain = (text: string) => text.replace(ENCODED, decodeURIComponent)
  if (plain(sent) !== plain(target)) throw new Problem('bad_request')
  return sent
}

import { createHmac, timingSafeEqual } from 'node:crypto'
import {
  type Component,
  isFresh,
  parseSignature,
  signatureBase,
  type SignatureParameters,
} from '@mux/contract'

/** Why a request is not the one that was signed, for the log; to the outside all are one. */
export type SignatureRefusal =
  | 'missing'
  | 'repeated'
  | 'malformed'
  | 'unknown key'
  | 'clock skew'
  | 'signature'

export interface ReceivedRequest {
  method: string
  /** Byte for byte as in the request line. */
  target: string
  rawHeaders: readonly string[]
}

export interface VerifiedSignature extends SignatureParameters {
  /** The key that it is of. */
  secret: Uint8Array
}

/**
 * Verifies a signature (RFC 9421) over what was received, whatever the signature itself claims to cover.
 * @param keys those of that id, each of which is good
 * @param now seconds since the epoch
 */
export function verifySignature(
  components: readonly Component[],
  headers: { input: string; signature: string },
  keys: (keyid: string) => readonly Uint8Array[],
  now: number,
): VerifiedSignature | SignatureRefusal {
  const parsed = parseSignature(headers.input, headers.signature)
  if (!parsed) return 'malformed'
  const { parameters, signatureBase64 } = parsed
  const secrets = keys(parameters.keyid)
  if (secrets.length === 0) return 'unknown key'
  const base = signatureBase(components, parameters)
  const signature = Buffer.from(signatureBase64, 'base64')
  const secret = secrets.find((one) =>
    timingSafeEqual(createHmac('sha256', one).update(base).digest(), signature),
  )
  if (secret === undefined) return 'signature'
  // Behind the signature: a log that speaks of clocks is then about those who hold the key.
  if (!isFresh(parameters, now)) return 'clock skew'
  return { ...parameters, secret }
}

/**
 * The values of these headers, by the keys of `names`; `undefined` when one of them is there twice: two readers could then
 * read two different requests.
 */
export function singleHeaders<Key extends string>(
  rawHeaders: readonly string[],
  names: ReadonlyMap<string, Key>,
): Partial<Record<Key, string>> | undefined {
  const found: Partial<Record<Key, string>> = {}
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const key = names.get(rawHeaders[at]!.toLowerCase())
    if (key === undefined) continue
    if (found[key] !== undefined) return undefined
    found[key] = rawHeaders[at + 1]!
  }
  return found
}

/** The keys of a table of header names, by name. */
export function keysByName<Key extends string>(table: Readonly<Record<Key, string>>): Map<string, Key> {
  return new Map((Object.entries(table) as [Key, string][]).map(([key, name]) => [name, key]))
}

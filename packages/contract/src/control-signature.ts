import { type Component, SIGNATURE_HEADERS } from './message-signature.ts'
import type { HostName } from './names.ts'

/** Prefix of the HKDF (RFC 5869) `info` that derives a host's control key from the operator's master key. */
export const CONTROL_KEY_INFO = 'mux control key v1 '

/** The request headers that sign an order to a host. */
export const CONTROL_HEADERS = {
  /** For whom it is. */
  host: 'mux-host',
  /** RFC 9530. */
  digest: 'content-digest',
  ...SIGNATURE_HEADERS,
} as const

/** The part of a request that a control signature binds: all of it, since the digest stands for the body. */
export interface ControlledRequest {
  method: string
  /** See {@link splitTarget}. */
  path: string
  query: string
  host: HostName
  /** The value of `Content-Digest`. */
  digest: string
}

export function controlComponents({ method, path, query, host, digest }: ControlledRequest): Component[] {
  return [
    ['@method', method],
    ['@path', path],
    ['@query', query],
    [CONTROL_HEADERS.host, host],
    [CONTROL_HEADERS.digest, digest],
  ]
}

/** The id under which a host knows the operator's key. No host can have it as its name, by which an edge signs. */
export function controlKeyId(host: HostName): string {
  return `control:${host}`
}

/** The value of `Content-Digest` for a body. */
export function contentDigest(sha256Base64: string): string {
  return `sha-256=:${sha256Base64}:`
}

const DIGEST = /^sha-256=:([A-Za-z0-9+/]{43}=):$/

/** The SHA-256 in base64 of a `Content-Digest` as {@link contentDigest} writes it; `undefined` for any other spelling. */
export function parseContentDigest(value: string): string | undefined {
  return DIGEST.exec(value)?.[1]
}

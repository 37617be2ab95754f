import { hkdfSync } from 'node:crypto'
import { CONTROL_KEY_INFO, HOST_KEY_INFO, type HostName } from '@mux/contract'

/**
 * The key with which the edge signs for one host: HKDF-SHA-256 (RFC 5869) of the edge's master key without salt, so
 * that a host that holds its own key can speak for no other.
 */
export function deriveHostKey(master: Uint8Array, host: HostName): Uint8Array {
  return derive(master, `${HOST_KEY_INFO}${host}`)
}

/** The key with which the operator signs orders to one host, likewise, of the operator's master key. */
export function deriveControlKey(master: Uint8Array, host: HostName): Uint8Array {
  return derive(master, `${CONTROL_KEY_INFO}${host}`)
}

function derive(master: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', master, '', info, 32))
}

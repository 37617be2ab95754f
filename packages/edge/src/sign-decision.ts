import {
  ASSERTION_LIFETIME,
  HOST_KEY_INFO,
  signatureBase,
  signatureHeaders,
  type AssertedRequest,
  type AssertionParameters,
  type HostName,
} from '@mux/contract'

const NONCE_BYTES = 16

type Key = Awaited<ReturnType<typeof crypto.subtle.deriveKey>>

/** Signs what the edge decided, so that the gateway of one host, and of no other, can verify it. */
export interface DecisionSigner {
  /** The signature headers (RFC 9421) of one request. */
  sign(request: AssertedRequest, host: HostName): Promise<Record<string, string>>
}

/**
 * @param masterKey at least 32 bytes; each host has a key of its own that is derived from it
 * @param now milliseconds since the epoch
 */
export function createDecisionSigner(masterKey: Uint8Array, now: () => number): DecisionSigner {
  // Keys, not promises of them: Workers let no request wait for what another one began.
  const keys = new Map<HostName, Key>()

  async function keyOf(host: HostName): Promise<Key> {
    const known = keys.get(host)
    if (known !== undefined) return known
    const master = await crypto.subtle.importKey('raw', new Uint8Array(masterKey), 'HKDF', false, [
      'deriveKey',
    ])
    const derivation = {
      name: 'HKDF',
      hash: 'SHA-256',
      salt: new Uint8Array(0),
      info: new TextEncoder().encode(HOST_KEY_INFO + host),
    }
    const hmac = { name: 'HMAC', hash: 'SHA-256', length: 256 }
    const key = await crypto.subtle.deriveKey(derivation, master, hmac, false, ['sign'])
    keys.set(host, key)
    return key
  }

  return {
    async sign(request, host) {
      const created = Math.floor(now() / 1000)
      const parameters: AssertionParameters = {
        created,
        expires: created + ASSERTION_LIFETIME,
        nonce: base64(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)))
          .replace(/=+$/, '')
          .replaceAll('+', '-')
          .replaceAll('/', '_'),
        keyid: host,
      }
      const base = new TextEncoder().encode(signatureBase(request, parameters))
      const signature = await crypto.subtle.sign('HMAC', await keyOf(host), base)
      return signatureHeaders(request, parameters, base64(new Uint8Array(signature)))
    },
  }
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

import { createHmac, randomBytes } from 'node:crypto'
import {
  contentDigest,
  CONTROL_HEADERS,
  controlComponents,
  type ControlledRequest,
  controlKeyId,
  type HostName,
  signatureBase,
  signatureHeaders,
  SIGNATURE_LIFETIME,
  splitTarget,
} from '@mux/contract'

/** One request to the gateway of a host, as it goes out. */
export interface OutgoingControl {
  method: string
  target: string
  /** Whom it is for. */
  host: HostName
  /** Of its body, base64. */
  sha256: string
}

/**
 * The headers by which a host knows a request for one of its operator.
 * @param key the host's control key, see `deriveControlKey`
 * @param now milliseconds since the epoch
 */
export function signControl(key: Uint8Array, request: OutgoingControl, now: number): Record<string, string> {
  const { method, target, host, sha256 } = request
  const controlled: ControlledRequest = {
    method,
    ...splitTarget(target),
    host,
    digest: contentDigest(sha256),
  }
  const components = controlComponents(controlled)
  const created = Math.floor(now / 1000)
  const parameters = {
    created,
    expires: created + SIGNATURE_LIFETIME,
    nonce: randomBytes(16).toString('base64url'),
    keyid: controlKeyId(host),
  }
  const signature = createHmac('sha256', key).update(signatureBase(components, parameters)).digest('base64')
  return {
    [CONTROL_HEADERS.host]: host,
    [CONTROL_HEADERS.digest]: controlled.digest,
    ...signatureHeaders(components, parameters, signature),
  }
}

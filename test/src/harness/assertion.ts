import { createHmac, randomBytes } from 'node:crypto'
import {
  ASSERTION_HEADERS,
  assertionComponents,
  parseInstanceName,
  parseUserName,
  signatureBase,
  signatureHeaders,
  splitTarget,
} from '@mux/contract'

export interface Assertion {
  method: string
  target: string
  user: string
  instance: string
  version?: number
  /** Of the host that it is for, and its name. */
  key: Uint8Array
  keyid: string
  /** How long ago it was made, in seconds. */
  age?: number
  nonce?: string
}

/** The headers by which an edge that has this key says who sends a request, and to which instance. */
export function asserted(assertion: Assertion): Record<string, string> {
  const { method, target, version = 1, key, keyid, age = 0 } = assertion
  const decision = {
    user: parseUserName(assertion.user)!,
    instance: parseInstanceName(assertion.instance)!,
    version,
    requestId: randomBytes(8).toString('hex'),
  }
  const request = { method, ...splitTarget(target), forwardedHost: 'notes.example', decision }
  const components = assertionComponents(request)
  const created = Math.floor(Date.now() / 1000) - age
  const nonce = assertion.nonce ?? randomBytes(16).toString('base64url')
  const parameters = { created, expires: created + 60, nonce, keyid }
  const signature = createHmac('sha256', key).update(signatureBase(components, parameters))
  return {
    [ASSERTION_HEADERS.user]: decision.user,
    [ASSERTION_HEADERS.instance]: decision.instance,
    [ASSERTION_HEADERS.version]: String(decision.version),
    [ASSERTION_HEADERS.requestId]: decision.requestId,
    [ASSERTION_HEADERS.forwardedHost]: request.forwardedHost,
    ...signatureHeaders(components, parameters, signature.digest('base64')),
  }
}

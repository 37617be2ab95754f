/** What a signature covers: the name of a component (RFC 9421 section 2), and its value in this message. */
export type Component = readonly [name: string, value: string]

/** How long a signature is valid, in seconds; and how far the clocks of who signs and who verifies may differ. */
export const SIGNATURE_LIFETIME = 60
export const SIGNATURE_SKEW = 30

/** The headers that carry a signature. */
export const SIGNATURE_HEADERS = { input: 'signature-input', signature: 'signature' } as const

export interface SignatureParameters {
  /** Seconds since the epoch. */
  created: number
  expires: number
  /** At least 128 random bits, base64url. */
  nonce: string
  keyid: string
}

/** Splits a request target (`/a?b`) into the values of `@path` and `@query`, byte for byte; `?` alone without a query. */
export function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?')
  return mark < 0 ? { path: target, query: '?' } : { path: target.slice(0, mark), query: target.slice(mark) }
}

/** The `Signature-Input` member value of a signature over these components, in this order. */
export function signatureParameters(
  components: readonly Component[],
  { created, expires, nonce, keyid }: SignatureParameters,
): string {
  const names = components.map(([name]) => `"${name}"`)
  return `(${names.join(' ')});created=${created};expires=${expires};nonce="${nonce}";keyid="${keyid}";alg="hmac-sha256"`
}

/** The signature base (RFC 9421 section 2.5): the text that the HMAC is taken of, as UTF-8. */
export function signatureBase(components: readonly Component[], parameters: SignatureParameters): string {
  const lines = components.map(([name, value]) => `"${name}": ${value}`)
  return [...lines, `"@signature-params": ${signatureParameters(components, parameters)}`].join('\n')
}

/** The label of our signature in `Signature-Input` and `Signature` (RFC 9421 section 4). */
const LABEL = 'mux'

/** The two header values for a finished signature. */
export function signatureHeaders(
  components: readonly Component[],
  parameters: SignatureParameters,
  signatureBase64: string,
): Record<string, string> {
  return {
    [SIGNATURE_HEADERS.input]: `${LABEL}=${signatureParameters(components, parameters)}`,
    [SIGNATURE_HEADERS.signature]: `${LABEL}=:${signatureBase64}:`,
  }
}

const INPUT =
  /^mux=\("[-@a-z" ]{1,200}"\);created=(\d{1,12});expires=(\d{1,12});nonce="([A-Za-z0-9_-]{16,64})";keyid="([a-z0-9:-]{1,80})";alg="hmac-sha256"$/
const SIGNATURE = /^mux=:([A-Za-z0-9+/]{43}=):$/

/**
 * Reads the two headers back. Deliberately no parser of structured fields (RFC 8941): the one spelling that mux
 * writes is accepted, and `undefined` is returned for any other. The covered components are not returned, because the
 * verifier builds the base from what it received itself and never from what the header claims.
 */
export function parseSignature(
  input: string,
  signature: string,
): { parameters: SignatureParameters; signatureBase64: string } | undefined {
  const inputMatch = INPUT.exec(input)
  const signatureMatch = SIGNATURE.exec(signature)
  if (!inputMatch || !signatureMatch) return undefined
  const [, created, expires, nonce, keyid] = inputMatch
  return {
    parameters: { created: Number(created), expires: Number(expires), nonce: nonce!, keyid: keyid! },
    signatureBase64: signatureMatch[1]!,
  }
}

/** True while a signature is inside its window at `now` (seconds); never for one made for longer than allowed. */
export function isFresh({ created, expires }: SignatureParameters, now: number): boolean {
  return (
    expires - created > 0 &&
    expires - created <= SIGNATURE_LIFETIME &&
    created <= now + SIGNATURE_SKEW &&
    expires > now - SIGNATURE_SKEW
  )
}

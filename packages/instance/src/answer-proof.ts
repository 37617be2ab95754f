import { createHmac } from 'node:crypto'
import { proofBase } from '@mux/contract'

/** The latest one by key. */
const latest = new WeakMap<Uint8Array, { base: string; proof: string }>()

/**
 * What a gateway shows in its answer, by `PROOF_HEADER`.
 * @param secret the key that the request was signed with
 * @param created when it was, in seconds since the epoch
 */
export function proofOf(secret: Uint8Array, created: number): string {
  const base = proofBase(created)
  const known = latest.get(secret)
  if (known?.base === base) return known.proof
  const proof = createHmac('sha256', secret).update(base).digest('base64')
  latest.set(secret, { base, proof })
  return proof
}

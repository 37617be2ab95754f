import { type Decision, type InstanceName, Problem } from '@mux/contract'
import type { ClaimOptions, Lease, LeaseSource } from '../lease.ts'

/**
 * A generation of the instance that was decided on. The last place at which a mistake on the way here can be told: what
 * comes after sends whatever it is given to whatever it is given.
 * @throws {Problem} `misdirected` when it is another instance's, and what the claim throws
 */
export function claim(
  source: LeaseSource,
  { instance }: Decision,
  options: ClaimOptions,
): Lease | Promise<Lease> {
  const claimed = source.claim(instance, options)
  return 'release' in claimed ? checked(claimed, instance) : claimed.then((lease) => checked(lease, instance))
}

function checked(lease: Lease, instance: InstanceName): Lease {
  if (lease.instance === instance) return lease
  lease.release()
  throw new Problem('misdirected')
}

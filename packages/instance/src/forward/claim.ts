import { type InstanceName, Problem } from '@mux/contract'
import type { ClaimOptions, Lease, LeaseSource } from '../lease.ts'
import type { ForwardOrder } from './order.ts'

/**
 * A generation of the instance that was decided on. The last place at which a mistake on the way here can be told: what
 * comes after sends whatever it is given to whatever it is given.
 * @throws {Problem} `misdirected` when it is another instance's, and what the claim and the recheck throw
 */
export function claim(
  source: LeaseSource,
  { decision, recheck }: ForwardOrder,
  options: ClaimOptions,
): Lease | Promise<Lease> {
  const { instance } = decision
  const claimed = source.claim(instance, options)
  if ('release' in claimed) return checked(claimed, instance)
  return claimed.then((lease) => {
    try {
      recheck?.()
    } catch (error) {
      lease.release()
      throw error
    }
    return checked(lease, instance)
  })
}

function checked(lease: Lease, instance: InstanceName): Lease {
  if (lease.instance === instance) return lease
  lease.release()
  throw new Problem('misdirected')
}

import { clockText } from './host-failure.ts'
import type { ListedHost } from './operations/list-hosts.ts'

/** What is to be known of a host beside its facts, shortest first; empty when there is nothing. */
export function remarksOn({ here, problem, clock }: Pick<ListedHost, 'here' | 'problem' | 'clock'>): string {
  return [
    ...(here ? ['this machine'] : []),
    ...(problem === null ? [] : [`unreachable: ${problem}`]),
    ...(clock === null ? [] : [clockText(clock)]),
  ].join('; ')
}

/** How many run there, of how many that may at once. */
export function runningOn({ pool }: Pick<ListedHost, 'pool'>): string {
  return pool === null ? '-' : `${pool.running} of ${pool.max}`
}

import { clockText } from './host-failure.ts'
import type { ListedHost } from './operations/list-hosts.ts'

/** How many instances are named in a line. */
const NAMED = 5

/** What is to be known of a host beside its facts, shortest first; empty when there is nothing. */
export function remarksOn({
  here,
  problem,
  clock,
  missing = [],
}: Pick<ListedHost, 'here' | 'problem' | 'clock'> & Partial<Pick<ListedHost, 'missing'>>): string {
  return [
    ...(here ? ['this machine'] : []),
    ...(problem === null ? [] : [`unreachable: ${problem}`]),
    ...(clock === null ? [] : [clockText(clock)]),
    ...(missing.length === 0 ? [] : [`does not have ${some(missing)}`]),
  ].join('; ')
}

function some(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
  return names.slice(0, NAMED).join(', ') + more
}

/** How many run there, of how many that may at once. */
export function runningOn({ pool }: Pick<ListedHost, 'pool'>): string {
  return pool === null ? '-' : `${pool.running} of ${pool.max}`
}

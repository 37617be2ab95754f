import type { RegistryChange } from './registry.ts'

/** Changes that may be made in one go: either all write, or all remove. */
export type WriteStep = RegistryChange[]

/**
 * The order in which a store that cannot do all at once does it, so that it may break off anywhere. First goes whatever
 * takes access away. Nothing leads to an instance, or to a host, before that is there, or after it is gone; no token comes before the
 * record of its user.
 */
export function inWriteOrder(changes: readonly RegistryChange[]): WriteStep[] {
  const awaited = new Set(
    changes.filter(({ kind, record }) => kind === 'instance' && record !== null).map(({ name }) => name),
  )
  const steps: WriteStep[] = [[], [], [], [], [], []]
  for (const change of changes) steps[stepOf(change, awaited)]!.push(change)
  return steps.filter((step) => step.length > 0)
}

/** @param awaited the instances that are written as well */
function stepOf(change: RegistryChange, awaited: ReadonlySet<string>): number {
  const { kind, record } = change
  if (kind === 'instance') return record === null ? 5 : 2
  if (kind === 'host') return record === null ? 5 : 1
  if (record === null) return 0
  if (kind === 'token') return 4
  if (kind === 'user' && record.disabled) return 1
  return record.instance !== null && awaited.has(record.instance) ? 3 : 1
}

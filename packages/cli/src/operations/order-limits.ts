import type { InstanceDefinition } from '@mux/instance'

/** What an order may take beyond the limits in mux.yaml: the machine may be busy, and a boot before it under way. */
const GRACE = 15_000
/** How long an order may wait for its turn to boot (`pool.parallel_boots`): until one of those under way is done. */
const TURN = 40_000
/** How long an end waits for requests to be on their way to an instance, at most. */
const SETTLE = 10_000
/** Where mux.yaml cannot be read any more. */
const UNKNOWN = 120_000

type Limited = Pick<InstanceDefinition, 'limits'>

/** Milliseconds within which an instance has started, stopped or restarted, or the order has failed; `undefined` when its limits are not known. */
export function instanceOrderLimit(instance: Limited | undefined): number {
  if (!instance) return UNKNOWN
  const { limits } = instance
  // Twice: a restart may have to wait for one that is under way.
  return 2 * (limits.start + limits.drain + limits.stop) + TURN + GRACE
}

/**
 * Milliseconds that requests which have come may take to be answered before the instances are told to end: those that
 * wait for a boot, for the most part. What takes longer is drained with its instance.
 */
export function settleLimit(instances: readonly Limited[]): number {
  return Math.min(SETTLE, Math.max(0, ...instances.map(({ limits }) => limits.drain)))
}

/** Milliseconds within which a supervisor has ended; `undefined` when its instances are not known. */
export function endLimit(instances: readonly Limited[] | undefined): number {
  if (!instances) return UNKNOWN
  const longest = Math.max(0, ...instances.map(({ limits }) => limits.drain + limits.stop))
  return settleLimit(instances) + longest + GRACE
}

import type { InstanceDefinition } from '@mux/instance'

/** What an order may take beyond the limits in mux.yaml: the machine may be busy, and a boot before it under way. */
const GRACE = 15_000
/** Where mux.yaml cannot be read any more. */
const UNKNOWN = 120_000

type Limited = Pick<InstanceDefinition, 'limits'>

/** Milliseconds within which an instance has started, stopped or restarted, or the order has failed; `undefined` when its limits are not known. */
export function instanceOrderLimit(instance: Limited | undefined): number {
  if (!instance) return UNKNOWN
  const { limits } = instance
  // Twice: a restart may have to wait for one that is under way.
  return 2 * (limits.start + limits.drain + limits.stop) + GRACE
}

/** Milliseconds within which a supervisor has ended; `undefined` when its instances are not known. */
export function endLimit(instances: readonly Limited[] | undefined): number {
  if (!instances) return UNKNOWN
  return Math.max(0, ...instances.map(({ limits }) => limits.drain + limits.stop)) + GRACE
}

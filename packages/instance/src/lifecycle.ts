/**
 * What an instance is doing. Two states that an operator sees are none of its own: `disabled` is how a stopped or
 * failed one is shown while the registry holds the operator's "leave it stopped", and `degraded` a ready one whose last
 * restart failed.
 */
export type Phase = 'stopped' | 'starting' | 'ready' | 'draining' | 'failed'

export type LifecycleEvent =
  /** A generation is about to be started. */
  | 'boot'
  /** A generation answered its probe, and serves. */
  | 'proved'
  /** A generation that a supervisor before this one started answered its probe, and serves. */
  | 'adopted'
  /** Another generation took over from the one that serves. */
  | 'swapped'
  /** It is told to leave; nothing new reaches it. */
  | 'leave'
  /** Nothing of it is left running. */
  | 'gone'
  /** It ended by itself, hangs, or did not become ready; it is started again shortly, and requests are held. */
  | 'crashed'
  /** As `crashed`, but for too often: requests are refused until the next try. */
  | 'gave-up'

const MOVES: Record<Phase, Partial<Record<LifecycleEvent, Phase>>> = {
  stopped: { boot: 'starting', adopted: 'ready' },
  starting: { proved: 'ready', crashed: 'starting', 'gave-up': 'failed', leave: 'draining' },
  ready: { swapped: 'ready', crashed: 'starting', 'gave-up': 'failed', leave: 'draining' },
  draining: { gone: 'stopped' },
  failed: { boot: 'starting', leave: 'draining' },
}

/** @throws on a move that is not in the table: a fault of the caller, never of an instance. */
export function move(phase: Phase, event: LifecycleEvent): Phase {
  const next = MOVES[phase][event]
  if (next === undefined) throw new Error(`An instance that is ${phase} cannot take "${event}".`)
  return next
}

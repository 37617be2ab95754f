/** Milliseconds before the first new start; doubled with every failure after it. */
const FIRST_DELAY = 500
const LONGEST_DELAY = 60_000
/** Up to this share of a delay is added or taken away, so that instances that fell together do not rise together. */
const JITTER = 0.2
/** From this many failures in a row on, requests are refused instead of held: the wait has become longer than theirs. */
const GIVE_UP_AFTER = 4
/** Milliseconds of being ready after which earlier failures no longer count. */
const FORGOTTEN_AFTER = 600_000

export interface Failures {
  /** In a row, the last one included. */
  count: number
  /** Whether any of them came after being ready: what has never worked is not worth holding requests for. */
  worked: boolean
}

export const NO_FAILURES: Failures = { count: 0, worked: false }

/**
 * After a failure.
 * @param readyFor milliseconds that the failed generation was ready; null when it never was
 */
export function afterFailure(failures: Failures, readyFor: number | null): Failures {
  const healthy = readyFor !== null && readyFor >= FORGOTTEN_AFTER
  return { count: healthy ? 1 : failures.count + 1, worked: failures.worked || readyFor !== null }
}

/**
 * What follows a failure: how long to wait before the next start, and whether requests are held meanwhile. At most
 * ten starts fall in the first minute: the delays are 0.5, 1, 2 … 32 and then 60 s, give or take the jitter.
 * @param random from 0 to 1
 */
export function verdict(failures: Failures, random: number): { delay: number; hold: boolean } {
  const doubled = FIRST_DELAY * 2 ** Math.min(failures.count - 1, 20)
  const delay = Math.round(Math.min(LONGEST_DELAY, doubled * (1 - JITTER + 2 * JITTER * random)))
  return { delay, hold: failures.worked && failures.count < GIVE_UP_AFTER }
}

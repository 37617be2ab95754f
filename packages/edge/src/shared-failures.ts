import {
  FAILURE_KINDS,
  type FailureCounter,
  type FailureKind,
  failureKeys,
  type LocalFailureCounter,
} from './failures.ts'
import type { Log } from './log-event.ts'

/** What is used of a rate-limiting binding of Workers: counts a call, and says whether it was one too many. */
export interface RateLimit {
  limit(options: { key: string }): Promise<{ success: boolean }>
}

export interface SharedFailureCounterOptions {
  local: LocalFailureCounter
  /** One binding for each kind; their limits are those of {@link LocalFailureCounter}. */
  limits: Record<FailureKind, RateLimit>
  log: Log
}

/**
 * Counts in the isolate, and with all others of the location through the rate limits of the platform. Those count what is
 * asked of them, so they are asked of failures only: people who know their password use up nothing. An isolate that has
 * not heard yet lets one more failure in.
 */
export function createSharedFailureCounter(options: SharedFailureCounterOptions): FailureCounter {
  const { local, limits, log } = options

  async function count(kind: FailureKind, user: string, address: string): Promise<void> {
    const { success } = await limits[kind].limit({ key: failureKeys(user, address)[kind] })
    if (!success) local.exhaust(kind, user, address)
  }

  return {
    check: (user, address) => local.check(user, address),
    succeeded: (user, address) => local.succeeded(user, address),
    async failed(user, address) {
      local.failed(user, address)
      try {
        await Promise.all(FAILURE_KINDS.map((kind) => count(kind, user, address)))
      } catch (error) {
        // This isolate has counted; that it cannot tell the others is no reason to answer anything else.
        log({ event: 'failure_not_shared', error })
      }
    },
  }
}

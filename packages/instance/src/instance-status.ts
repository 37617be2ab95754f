import type { InstanceName, InstanceStatus } from '@mux/contract'
import { addressText } from './addresses.ts'
import type { InstanceDefinition } from './definition.ts'
import type { Succession } from './succession.ts'

const AWAITS_TURN = 'It waits until others have started: as many as pool.parallel_boots are starting.'

export interface InstanceFacts {
  name: InstanceName
  /** The present settings; those of what runs may be others. */
  definition: InstanceDefinition
  /** The operator's "leave it stopped". */
  closed: { message: string | null } | undefined
  succession: Pick<Succession, 'phase' | 'isDegraded' | 'reason' | 'nextTry' | 'lineage'>
  /** See `SlotHolder.idleSince`. */
  idleSince: number | null
  /** Requests held. */
  waiting: number
  crashes: number
}

/** What an operator is told of an instance. */
export function instanceStatus(facts: InstanceFacts): InstanceStatus {
  const { name, definition, closed, succession, waiting, crashes } = facts
  const { phase, isDegraded, reason, nextTry, lineage } = succession
  const { foremost, inFlight, lastExit, lastUse, survivors } = lineage
  const isDisabled = closed && (phase === 'stopped' || phase === 'failed')
  const leftBehind = survivors.length === 0 ? null : `These processes do not end: ${survivors.join(', ')}.`
  return {
    name,
    state: isDisabled ? 'disabled' : isDegraded ? 'degraded' : phase,
    generation: foremost
      ? {
          number: foremost.number,
          pid: foremost.pid,
          since: foremost.since.toISOString(),
          address: addressText(foremost.address),
          outdated: foremost.definition !== definition,
        }
      : null,
    inFlight,
    waiting,
    crashes,
    lastExit: lastExit ? { ...lastExit, at: lastExit.at.toISOString() } : null,
    nextTry: wallClock(nextTry),
    reason: isDisabled
      ? [closed.message ?? 'It is stopped by the operator.', leftBehind].filter(Boolean).join(' ')
      : (reason ?? leftBehind ?? (phase === 'starting' && lineage.awaitsTurn ? AWAITS_TURN : null)),
    lastActivity: wallClock(lastUse?.at ?? null),
    lastActivityBy: lastUse?.by ?? null,
    idleStop: wallClock(idleStop(facts)),
  }
}

/** When it is stopped for want of use, on the monotonic clock, if nothing comes before that. */
function idleStop({ idleSince, succession }: InstanceFacts): number | null {
  const idle = succession.lineage.current?.definition.idle ?? null
  return idleSince === null || idle === null ? null : idleSince + idle
}

/** A moment of the monotonic clock, as the wall clock shows it. */
function wallClock(moment: number | null): string | null {
  // oxlint-disable-next-line no-restricted-properties -- this is where a moment gets its date
  return moment === null ? null : new Date(Date.now() + moment - performance.now()).toISOString()
}

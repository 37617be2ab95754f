import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Address } from './lease.ts'
import { type Finding, probe } from './probe.ts'
import { pause } from './wait.ts'

/** Misses in a row that make a hang. */
export const MISSES = 3
/**
 * Share of the interval that an answer may take, and from one try to the next after a miss: the third miss is then 2.8
 * intervals at most after the beginning of the last try that went well, and known within three on a busy machine, too.
 */
export const PATIENCE = 0.6
/** Milliseconds by which this process may wake too late before it says nothing of the other that it heard no answer. */
const OVERSLEPT = 250

/**
 * What follows one try.
 * @param misses in a row before it
 * @param took how long it took, in milliseconds
 * @returns misses in a row now, and milliseconds until the next try
 */
export function afterTry(
  misses: number,
  { ready, untried = false, took }: { ready: boolean; untried?: boolean | undefined; took: number },
  interval: number,
): { misses: number; wait: number } {
  const limit = interval * PATIENCE
  const saysNothing = untried || took >= limit + OVERSLEPT
  const now = ready ? 0 : saysNothing ? misses : misses + 1
  return { misses: now, wait: Math.max(0, (now === 0 ? interval : limit) - took) }
}

export interface LiveProbeOptions {
  address: Address
  /** See `untilReady`. */
  health: string | null
  /** Milliseconds from one try to the next. */
  interval: number
  /** See `Lease`. */
  isReached?: (() => Promise<boolean>) | undefined
  /** Whether its program has been stopped by a signal: connections are then accepted all the same, by the kernel. */
  isStopped: () => boolean
  /** Told once, in words for an operator, that it hangs; then it is asked no more. */
  hung: (why: string) => void
}

/** Asks a generation that serves whether it still does, one try at a time, until it hangs or leaves. */
export class LiveProbe {
  readonly #options: LiveProbeOptions
  readonly #ended = new AbortController()
  /** Of its own for each try: a signal that is made of another lives as long as that does. */
  #underWay = new AbortController()

  constructor(options: LiveProbeOptions) {
    this.#options = options
    void this.#run()
  }

  /** Ends a try that is under way, too. */
  stop(): void {
    this.#ended.abort()
    this.#underWay.abort()
  }

  async #run(): Promise<void> {
    const { interval, hung } = this.#options
    const { signal } = this.#ended
    let next = { misses: 0, wait: interval }
    for (;;) {
      await pause(next.wait, signal)
      if (signal.aborted) return
      const began = performance.now()
      const finding = await this.#try(interval * PATIENCE)
      if (signal.aborted) return
      next = afterTry(next.misses, { ...finding, took: performance.now() - began }, interval)
      if (!finding.ready && next.misses >= MISSES) return hung(finding.why)
    }
  }

  async #try(limit: number): Promise<Finding> {
    const { address, health, isReached, isStopped } = this.#options
    if (health === null && isStopped()) return { ready: false, why: 'its process is stopped by a signal' }
    const underWay = new AbortController()
    this.#underWay = underWay
    const tooLate = async () => {
      // What has come while this process did something else is read before it counts as missing.
      await nextTurn()
      underWay.abort()
    }
    const timer = setTimeout(() => void tooLate(), limit)
    try {
      const finding = await probe(address, health, underWay.signal)
      if (!finding.ready || isReached === undefined || (await isReached())) return finding
      return { ready: false, why: 'its address is answered by another process' }
    } catch {
      return { ready: false, untried: true, why: 'who answers at its address cannot be seen' }
    } finally {
      clearTimeout(timer)
    }
  }
}

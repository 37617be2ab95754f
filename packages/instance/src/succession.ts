import { Problem } from '@mux/contract'
import { BootError } from './boot.ts'
import type { Turn } from './boot-queue.ts'
import { type InstanceDefinition, mayOverlap } from './definition.ts'
import type { Generation } from './generation.ts'
import { IdleTimer } from './idle-timer.ts'
import { type LifecycleEvent, move, type Phase } from './lifecycle.ts'
import { Lineage, type LineageOptions } from './lineage.ts'
import { LiveProbe } from './live-probe.ts'
import { MemoryGuard } from './memory-guard.ts'
import type { MemoryWatch } from './memory-watch.ts'
import { Recovery } from './recovery.ts'
import { exitText } from './running-process.ts'

export interface SuccessionOptions extends Omit<LineageOptions, 'crashed'> {
  /** The place in the pool: taken before anything is booted, given back when nothing runs any more. */
  slot: { take(evict: boolean, signal: AbortSignal): Promise<void>; release(): void }
  /** Where requests wait: let in when a generation serves, and told why when none will. */
  room: { admit(generation: Generation): void; refuse(reason: Problem): void }
  /** Whether anybody waits there, or for it to have booted. */
  isAwaited: () => boolean
  /** The time has come to boot it again after a failure. */
  retry: () => void
  /** Looks at how much memory instances take. */
  memory: MemoryWatch
  /** Puts another in the place of one that takes too much of it, if it still serves. A failure leaves it serving. */
  outgrown: (generation: Generation) => Promise<void>
  /** Nobody has used it for as long as its settings say. */
  unused: () => void
  /** When an exchange last ended, while none is under way; see `Instance.idleSince`. */
  idleSince: () => number | null
}

/** What a replacement leaves for later: the old generation is gone when it is known how many exchanges it finished. */
export interface Replacement {
  old: Generation | undefined
  next: Generation
  drained: Promise<number>
}

/**
 * How the generations of an instance follow each other: boot, prove, swap, drain, and what becomes of a failure. The
 * caller sees to it that no two of these moves overlap; a crash may come at any moment.
 */
export class Succession {
  readonly lineage: Lineage
  readonly #options: SuccessionOptions
  readonly #recovery: Recovery
  readonly #memoryGuard: MemoryGuard
  #phase: Phase = 'stopped'
  /** True while a generation is ended only to make way for the next. */
  #replacing = false
  #idleTimer: IdleTimer | undefined
  #liveProbe: LiveProbe | undefined
  #reason: string | null = null
  /** The settings with which it served when others were refused: there is no need to be without them, too. */
  #standby: InstanceDefinition | undefined

  constructor(options: SuccessionOptions) {
    this.#options = options
    this.#recovery = new Recovery(options.retry)
    this.lineage = new Lineage({
      ...options,
      crashed: (generation, exit) => {
        this.#unwatch()
        this.#fail(`It ${exitText(exit)} while it served.`, performance.now() - generation.readyAt!)
      },
    })
    this.#memoryGuard = new MemoryGuard({
      watch: options.memory,
      exceeded: (generation, bytes) => this.#outgrown(generation, bytes),
      replace: options.outgrown,
    })
  }

  get phase(): Phase {
    return this.#phase
  }

  /** True while it is being stopped for good, or until somebody wants it again. */
  get isStopping(): boolean {
    return this.#phase === 'draining' && !this.#replacing
  }

  /** True while a generation is on its way, whether a request asks for it or not. */
  get isComing(): boolean {
    return this.#phase === 'starting' || this.#replacing
  }

  /** True while it serves although its last change or restart failed: until one succeeds, or it is stopped. */
  get isDegraded(): boolean {
    return this.#phase === 'ready' && this.#reason !== null
  }

  /** Why it is failed or degraded. */
  get reason(): string | null {
    return this.#reason
  }

  /** When it is booted again after a failure, on the monotonic clock. */
  get nextTry(): number | null {
    return this.#recovery.nextTry
  }

  /** What a request is told at once, while it would be held in vain. */
  get refusal(): Problem | undefined {
    return this.#recovery.refusal
  }

  /** Somebody has seen to it: earlier failures no longer count. */
  forgive(): void {
    this.#recovery.reset()
  }

  /** It was stopped by somebody, who may not want it to serve any more with settings that were refused since. */
  dropStandby(): void {
    this.#standby = undefined
  }

  /** As {@link forgive}, and a failed one is stopped, so that the next request boots it. */
  pardon(): void {
    if (this.#phase !== 'failed') return
    this.forgive()
    this.#rest()
    this.#reason = null
  }

  /**
   * Makes it ready, if it is not.
   * @param wanted whether somebody waits for it: then another instance may be stopped to make room, and it is booted
   *   before those that nobody waits for
   * @param fallback settings to go back to when `definition` does not become ready, besides those with which it was
   *   degraded; its failure is thrown all the same
   */
  async bring(
    definition: InstanceDefinition,
    wanted: boolean,
    signal: AbortSignal,
    fallback = this.#standby,
  ): Promise<void> {
    if (this.#phase === 'ready') return
    await this.#admission(wanted, signal)
    if (this.#phase !== 'starting') this.#move('boot')
    const turn = this.#turn(wanted, signal)
    let failure: unknown
    let generation: Generation
    try {
      generation = await this.lineage.boot(definition, turn).catch((error: unknown) => {
        if (!fallback || fallback === definition || signal.aborted) throw error
        failure = error
        return this.lineage.boot(fallback, turn)
      })
    } catch (error) {
      if (signal.aborted) this.#rest()
      else this.#fail(messageOf(error), null, error instanceof BootError ? error : undefined)
      throw error
    }
    this.#serve(generation)
    if (failure === undefined) return
    this.#degrade(failure)
    throw failure
  }

  /** Lets one serve on that a supervisor before this one started; the slot has been taken for it. */
  adopt(generation: Generation): void {
    this.#serve(generation, 'adopted')
  }

  /**
   * Puts a new generation in the place of the one that serves, or boots one if none does. A failure leaves the old
   * one serving, or, where it had to end first, one with the old one's settings if those were others.
   */
  async replace(definition: InstanceDefinition, signal: AbortSignal): Promise<Replacement> {
    const old = this.lineage.current
    if (old && mayOverlap(old.definition, definition)) {
      const next = await this.lineage.boot(definition, this.#turn(true, signal)).catch((error: unknown) => {
        if (this.#phase === 'ready') this.#degrade(error)
        throw error
      })
      this.#serve(next)
      return { old, next, drained: this.lineage.retire(old) }
    }
    const drained = old ? await this.#makeWay() : 0
    await this.bring(
      definition,
      true,
      signal,
      old && old.definition !== definition ? old.definition : undefined,
    )
    return { old, next: this.lineage.current!, drained: Promise.resolve(drained) }
  }

  /** From this moment on it takes no more requests; {@link vacate} does the rest. */
  leave(): void {
    this.#unwatch()
    this.#move('leave')
  }

  /** Lets what is under way come to its end, and ends everything: from draining to stopped. */
  async vacate(): Promise<void> {
    await this.lineage.leave()
    await this.lineage.departed()
    this.#move('gone')
    this.#options.slot.release()
    this.#reason = null
  }

  #turn(wanted: boolean, signal: AbortSignal): Turn {
    const isUrgent = () => wanted || this.#options.isAwaited()
    return { isUrgent, isDoubtful: this.#recovery.hasFailures, signal }
  }

  /** Waits until it may boot. When it may not, it is stopped. */
  async #admission(evict: boolean, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.slot.take(evict, signal)
    } catch (error) {
      this.#recovery.settle()
      if (this.#phase === 'stopped') this.#options.slot.release()
      else this.#rest()
      throw error
    }
  }

  /** From here on this generation serves, in the place of the one before it, if there is one. */
  #serve(
    generation: Generation,
    event: LifecycleEvent = this.#phase === 'ready' ? 'swapped' : 'proved',
  ): void {
    this.#move(event)
    this.lineage.install(generation)
    this.#recovery.settle()
    this.#reason = generation.degraded
    this.#standby = generation.degraded === null ? undefined : generation.definition
    this.#unwatch()
    this.#watch(generation)
    this.#options.room.admit(generation)
  }

  /** Sees to it that one that serves is noticed when nobody uses it, when it hangs, and when it grows too large. */
  #watch(generation: Generation): void {
    const { address, definition } = generation
    const { health, idle, probe } = definition
    const { idleSince, unused } = this.#options
    this.#memoryGuard.guard(generation)
    if (idle !== null) this.#idleTimer = new IdleTimer(idle, idleSince, unused)
    if (probe === null) return
    this.#liveProbe = new LiveProbe({
      address,
      health,
      interval: probe,
      isReached: generation.isReached,
      isStopped: () => generation.isStopped,
      hung: (why) => this.#hung(generation, why),
    })
  }

  #unwatch(): void {
    this.#idleTimer?.stop()
    this.#liveProbe?.stop()
    this.#memoryGuard.stop()
  }

  #outgrown({ number, pid, definition }: Generation, bytes: number): void {
    const { memory } = definition.limits
    this.#options.event('memory_exceeded', { generation: number, pid, bytes, limit: memory })
  }

  /** Counts as a crash, but for what is under way with it, which it may just be slow to finish. */
  #hung(generation: Generation, why: string): void {
    this.#unwatch()
    const { number, pid, readyAt } = generation
    const reason = `It stopped answering: ${why}, three times in a row.`
    this.#options.event('hung', { generation: number, pid, reason })
    void this.lineage.leave()
    this.#fail(reason, performance.now() - readyAt!)
  }

  /** Ends the generation that serves, so that the next can start; requests are held, and the slot is kept. */
  async #makeWay(): Promise<number> {
    this.#replacing = true
    this.leave()
    try {
      return await this.lineage.leave()
    } finally {
      this.#move('gone')
      this.#replacing = false
    }
  }

  #fail(reason: string, readyFor: number | null, boot?: BootError): void {
    this.#reason = reason
    const refusal = this.#recovery.failed(readyFor, boot?.passing ?? true)
    this.#move(refusal ? 'gave-up' : 'crashed')
    if (!refusal) return
    this.#options.event('failed', { reason })
    this.#options.room.refuse(
      boot?.overdue ? new Problem('instance_start_timeout', { retryAfter: 1 }) : refusal,
    )
    void this.lineage.departed().then(() => {
      if (this.#phase === 'failed') this.#options.slot.release()
    })
  }

  /** A change failed, and what was there before goes on. */
  #degrade(error: unknown): void {
    const { current } = this.lineage
    this.#reason = `The last restart failed: ${messageOf(error)}`
    this.#standby = current!.definition
    // The supervisor that takes it over has to know as well.
    current!.degrade(this.#reason)
    this.#options.event('degraded', { reason: this.#reason })
  }

  /** To stopped, from where nothing runs. */
  #rest(): void {
    this.#move('leave')
    this.#move('gone')
    this.#options.slot.release()
  }

  #move(event: LifecycleEvent): void {
    const from = this.#phase
    this.#phase = move(from, event)
    if (from !== this.#phase) this.#options.event('state', { from, to: this.#phase })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

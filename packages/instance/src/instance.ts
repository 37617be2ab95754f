import { isDeepStrictEqual } from 'node:util'
import {
  type Activity,
  ControlError,
  type InstanceName,
  type InstanceStatus,
  Problem,
  type RestartReport,
} from '@mux/contract'
import type { BootQueue } from './boot-queue.ts'
import type { InstanceDefinition } from './definition.ts'
import type { Generation } from './generation.ts'
import type { ClaimOptions, Lease } from './lease.ts'
import { isIgnored } from './idle-ignore.ts'
import { type Estate, inherit } from './inheritance.ts'
import { instanceStatus } from './instance-status.ts'
import type { Leftovers } from './leftovers.ts'
import type { LogEvent } from './log-event.ts'
import type { MemoryWatch } from './memory-watch.ts'
import { disabled, orderFailure, Superseded } from './order-failure.ts'
import { Serial } from './serial.ts'
import type { SlotHolder } from './slots.ts'
import { progressText } from './starting-progress.ts'
import { type Replacement, Succession } from './succession.ts'
import { busy, WaitingRoom } from './waiting-room.ts'

export interface InstanceContext extends Estate {
  boots: BootQueue
  memory: MemoryWatch
}

/** A restart that others may join until its new generation serves. */
interface RestartUnderWay {
  definition: InstanceDefinition
  swapped: boolean
  report: Promise<RestartReport>
}

/**
 * One instance: its settings, the requests that wait for it, and the orders that change what runs, which are carried
 * out one after the other; claims are answered in between.
 */
export class Instance implements SlotHolder {
  readonly name: InstanceName
  readonly #context: InstanceContext
  readonly #succession: Succession
  readonly #room = new WaitingRoom(() => this.#progress())
  readonly #orders = new Serial()
  #definition: InstanceDefinition
  #bootAbort = new AbortController()
  /** How often it was stopped by order: a boot that was ordered before the last time is not carried out. */
  #stops = 0
  #restarting: RestartUnderWay | undefined
  #wakeOrdered = false
  #crashes = 0

  constructor(definition: InstanceDefinition, context: InstanceContext) {
    const { boots, habitat, memory, slots } = context
    this.name = definition.name
    this.#definition = definition
    this.#context = context
    this.#succession = new Succession({
      habitat,
      boots,
      memory,
      event: (event, fields) => this.#event(event, fields),
      slot: { take: (evict, signal) => this.#takeSlot(evict, signal), release: () => slots.release(this) },
      room: {
        admit: (generation) => this.#room.admit((options) => generation.lease(this.#activityOf(options))),
        refuse: (reason) => this.#room.refuse(reason),
      },
      isAwaited: () => this.#room.size > 0 || this.#orders.hasWaiting,
      retry: () => {
        this.#crashes++
        this.bootEagerly()
      },
      outgrown: (generation) => this.#outgrown(generation),
      unused: () => this.#dismiss('idle'),
      idleSince: () => this.idleSince(),
    })
  }

  get definition(): InstanceDefinition {
    return this.#definition
  }

  /** See `Supervisor.claim`. */
  claim(options: ClaimOptions): Lease | Promise<Lease> {
    const closed = this.#context.closed(this.name)
    if (closed) throw stopped(closed.message)
    const { phase, lineage } = this.#succession
    const activity = this.#activityOf(options)
    if (phase === 'ready') return lineage.current!.lease(activity)
    const { isComing, refusal } = this.#succession
    if (refusal) throw refusal
    if (activity === null && !isComing) throw new Problem('instance_idle')
    try {
      return this.#room.enter(options, this.#definition.limits)
    } finally {
      // Also for one who found no room: where nobody may wait, nobody else ever starts it.
      this.#wake(!options.signal.aborted)
      this.#hurryUp()
    }
  }

  /**
   * Goes on with what a supervisor before this one left of it: one generation at most, and the rest is ended.
   * @param wanted false when it is no longer defined
   * @returns when it serves, or is known not to; the orders that come after wait until the rest is gone
   */
  inherit(leftovers: Leftovers, wanted: boolean): Promise<void> {
    const decided = Promise.withResolvers<void>()
    this.#succession.lineage.follow(leftovers.lastNumber)
    const order = this.#orders.run(() => {
      const heir = {
        instance: this,
        definition: this.#definition,
        wanted,
        adopt: (generation: Generation) => this.#succession.adopt(generation),
        decided: decided.resolve,
      }
      return inherit(leftovers, heir, this.#context)
    })
    this.#inBackground(order.finally(decided.resolve))
    return decided.promise
  }

  /** Boots it if it does not run, and returns when it is ready. */
  async start(): Promise<InstanceStatus> {
    this.#refuseIfClosed()
    this.#succession.forgive()
    await this.#orderBoot((signal) => this.#succession.bring(this.#definition, true, signal))
    return this.status()
  }

  /** Drains and ends it; a boot under way is given up, and who waits for it is told `problem`. */
  async stop(problem = stopped(this.#context.closed(this.name)?.message ?? null)): Promise<InstanceStatus> {
    this.#stops++
    this.#restarting = undefined
    this.#bootAbort.abort(new Superseded('It was stopped while it was starting.'))
    this.#room.refuse(problem)
    await this.#orders.run(async () => {
      this.#succession.forgive()
      this.#succession.dropStandby()
      if (this.#succession.phase === 'stopped') return
      this.#succession.leave()
      await this.#succession.vacate()
    })
    this.#wake()
    return this.status()
  }

  /** Replaces its generation by one with the present settings; joins a restart with the same ones. */
  restart(): Promise<RestartReport> {
    this.#refuseIfClosed()
    const other = this.#restarting
    if (other && !other.swapped && other.definition === this.#definition) return other.report
    const stops = this.#stops
    const restarting: RestartUnderWay = {
      definition: this.#definition,
      swapped: false,
      report: Promise.resolve()
        .then(() => this.#restart(restarting, stops))
        .finally(() => {
          if (this.#restarting === restarting) this.#restarting = undefined
        }),
    }
    this.#restarting = restarting
    return restarting.report
  }

  /** Takes new settings, for the next generation; if it has failed, the next request tries them. */
  redefine(definition: InstanceDefinition): void {
    // Those that were changed and put back are the very ones with which it serves.
    const served = this.#succession.lineage.current?.definition
    this.#definition = served && isDeepStrictEqual(served, definition) ? served : definition
    this.#succession.pardon()
  }

  /** Boots it in the background if there is room without stopping another. */
  bootEagerly(): void {
    this.#inBackground(this.#orderBoot((signal) => this.#succession.bring(this.#definition, false, signal)))
  }

  idleSince(): number | null {
    const { phase, lineage } = this.#succession
    const isIdle = phase === 'ready' && !this.#orders.busy && lineage.active === 0
    return isIdle ? Math.max(lineage.current!.readyAt!, lineage.lastUse?.at ?? 0) : null
  }

  isLeaving(): boolean {
    return this.#succession.isStopping
  }

  makeRoom(): void {
    this.#dismiss('evicted')
  }

  status(): InstanceStatus {
    return instanceStatus({
      name: this.name,
      definition: this.#definition,
      closed: this.#context.closed(this.name),
      succession: this.#succession,
      idleSince: this.idleSince(),
      waiting: this.#room.size,
      crashes: this.#crashes,
    })
  }

  /** Null for a request that `idle_ignore` names. */
  #activityOf({ target, activity = 'request' }: ClaimOptions): Activity | null {
    return target !== undefined && isIgnored(target, this.#definition.idleIgnore) ? null : activity
  }

  #progress(): string {
    const { nextTry, lineage } = this.#succession
    const { awaitsTurn, bootingSince } = lineage
    const now = performance.now()
    return progressText({
      awaitsTurn,
      bootingFor: bootingSince === null ? null : now - bootingSince,
      limit: this.#definition.limits.start,
      nextTryIn: nextTry === null ? null : nextTry - now,
    })
  }

  /**
   * Boots it for those who wait, unless something else does so anyway.
   * @param isWanted whether somebody wants it now, who may not wait
   */
  #wake(isWanted = false): void {
    const isAwaited = this.#room.size > 0
    if (this.#succession.phase !== 'stopped' || !(isAwaited || isWanted) || this.#wakeOrdered) return
    this.#wakeOrdered = true
    const boot = this.#orderBoot(async (signal) => {
      if (this.#room.size > 0 || !isAwaited) await this.#succession.bring(this.#definition, true, signal)
    })
    this.#inBackground(
      boot.finally(() => {
        this.#wakeOrdered = false
        this.#wake()
      }),
    )
  }

  async #restart(restarting: RestartUnderWay, stops: number): Promise<RestartReport> {
    const began = performance.now()
    const { phase, lineage } = this.#succession
    if (phase === 'starting') this.#bootAbort.abort(new Superseded('It was restarted while it was starting.'))
    this.#succession.forgive()
    // So that there are never more than two generations at a time.
    await lineage.departed()
    const replace = (signal: AbortSignal): Promise<Replacement> => {
      restarting.definition = this.#definition
      return this.#succession.replace(this.#definition, signal)
    }
    const { old, next, drained } = await this.#orderBoot(replace, stops)
    restarting.swapped = true
    const report = {
      instance: this.name,
      oldPid: old?.pid ?? null,
      newPid: next.pid,
      drained: await drained,
      took: Math.round(performance.now() - began),
    }
    this.#event('restarted', { oldPid: report.oldPid, newPid: report.newPid, drained: report.drained })
    return report
  }

  async #outgrown(generation: Generation): Promise<void> {
    const { lineage } = this.#succession
    await lineage.departed()
    const replacement = await this.#orderBoot(async (signal) =>
      lineage.current === generation ? this.#succession.replace(this.#definition, signal) : undefined,
    )
    await replacement?.drained
  }

  /** Stops it because nobody uses it; requests that come from now on are held, and boot it again. */
  #dismiss(event: 'idle' | 'evicted'): void {
    this.#succession.leave()
    this.#event(event)
    this.#inBackground(this.#orders.run(() => this.#succession.vacate()).then(() => this.#wake()))
  }

  /** @throws when it may not boot; then nobody is left waiting for it */
  async #takeSlot(evict: boolean, signal: AbortSignal): Promise<void> {
    try {
      this.#refuseIfClosed()
      if (evict) await this.#context.slots.take(this, signal)
      else this.#context.slots.takeFree(this)
    } catch (error) {
      const closed = this.#context.closed(this.name)
      if (!signal.aborted) this.#room.refuse(closed ? stopped(closed.message) : busy())
      throw error
    }
  }

  /** @param stops what the count of stops was when the boot was ordered */
  #orderBoot<Result>(task: (signal: AbortSignal) => Promise<Result>, stops = this.#stops): Promise<Result> {
    const order = this.#orders.run(async () => {
      if (this.#stops !== stops) throw new Superseded('It was stopped meanwhile.')
      this.#bootAbort = new AbortController()
      return task(this.#bootAbort.signal)
    })
    this.#hurryUp()
    return order.catch((error: unknown) => {
      throw orderFailure(this.name, error)
    })
  }

  /** Somebody more waits: a boot that waits for its turn may have become urgent by that. */
  #hurryUp(): void {
    if (this.#succession.lineage.awaitsTurn) this.#context.boots.review()
  }

  /** An order that nobody waits for: those whom its failure concerns have been told by the order itself. */
  #inBackground(order: Promise<void>): void {
    order.catch((error: unknown) => {
      if (!(error instanceof ControlError)) this.#event('fault', { message: String(error) })
    })
  }

  #refuseIfClosed(): void {
    if (this.#context.closed(this.name)) throw disabled(this.name)
  }

  #event(event: string, fields: Omit<LogEvent, 'event' | 'instance'> = {}): void {
    this.#context.log({ event, instance: this.name, ...fields })
  }
}

function stopped(message: string | null): Problem {
  return new Problem('instance_stopped', message === null ? {} : { detail: message })
}

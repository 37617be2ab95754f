import {
  ControlError,
  type InstanceName,
  type InstanceStatus,
  Problem,
  type RestartReport,
} from '@mux/contract'
import { addressText } from './addresses.ts'
import { BootError, type Habitat, logPath } from './boot.ts'
import type { InstanceDefinition } from './definition.ts'
import type { Generation } from './generation.ts'
import { IdleTimer } from './idle-timer.ts'
import type { ClaimOptions, Lease } from './lease.ts'
import { type LifecycleEvent, move, type Phase } from './lifecycle.ts'
import { Lineage } from './lineage.ts'
import type { LogEvent } from './log-event.ts'
import { LogFile } from './log-file.ts'
import { disabled, orderFailure, Superseded } from './order-failure.ts'
import { Recovery } from './recovery.ts'
import { Serial } from './serial.ts'
import type { SlotHolder, Slots } from './slots.ts'
import { busy, WaitingRoom } from './waiting-room.ts'

/** Seconds after which a client may ask again when no next try is planned. */
const LATER = 60

export interface InstanceContext {
  habitat: Habitat
  slots: Slots
  closed: (name: InstanceName) => { message: string | null } | undefined
  log: (event: LogEvent) => void
}

/** A restart that others may join until its new generation serves. */
interface RestartUnderWay {
  definition: InstanceDefinition
  swapped: boolean
  report: Promise<RestartReport>
}

/**
 * One instance: its settings, the generation that serves, and the requests that wait for one. Whatever changes its
 * generation is an order, and orders are carried out one after the other; claims are answered in between.
 */
export class Instance implements SlotHolder {
  readonly name: InstanceName
  readonly #context: InstanceContext
  readonly #lineage: Lineage
  readonly #room = new WaitingRoom()
  readonly #orders = new Serial()
  readonly #recovery = new Recovery(() => this.#tryAgain())
  #definition: InstanceDefinition
  #phase: Phase = 'stopped'
  #bootAbort = new AbortController()
  #restarting: RestartUnderWay | undefined
  /** True while a generation is ended only to make way for the next. */
  #replacing = false
  /** How often it was stopped by order: a boot that was ordered before the last time is not carried out. */
  #stops = 0
  #wakeWaiting = false
  #idleTimer: IdleTimer | undefined
  #reason: string | null = null
  #crashes = 0

  constructor(definition: InstanceDefinition, context: InstanceContext) {
    const { name } = definition
    this.name = name
    this.#definition = definition
    this.#context = context
    this.#lineage = new Lineage({
      habitat: context.habitat,
      log: new LogFile(logPath(context.habitat.stateDirectory, name)),
      event: (event, fields) => context.log({ event, instance: name, ...fields }),
      crashed: (generation, { code, signal }) => {
        this.#idleTimer?.stop()
        const how = signal ? `was ended by ${signal}` : `exited with code ${code}`
        this.#fail(`It ${how} while it served.`, generation.readyFor, true)
      },
    })
  }

  get definition(): InstanceDefinition {
    return this.#definition
  }

  /** See `Supervisor.claim`. */
  claim(options: ClaimOptions): Lease | Promise<Lease> {
    const closed = this.#context.closed(this.name)
    if (closed) throw stopped(closed.message)
    if (this.#phase === 'ready') return this.#lineage.current!.lease()
    if (this.#recovery.refusing) throw this.#refusal()
    const place = this.#room.enter(options, this.#definition.limits)
    this.#wake()
    return place
  }

  /** Boots it if it does not run, and returns when it is ready. */
  async start(): Promise<InstanceStatus> {
    this.#refuseIfClosed()
    this.#recovery.reset()
    await this.#bootOrder((signal) => this.#bring(true, signal))
    return this.status()
  }

  /** Drains and ends it; a boot under way is given up, and who waits for it is told `problem`. */
  async stop(problem = stopped(this.#context.closed(this.name)?.message ?? null)): Promise<InstanceStatus> {
    this.#stops++
    this.#restarting = undefined
    this.#bootAbort.abort(new Superseded('It was stopped while it was starting.'))
    this.#room.refuse(problem)
    await this.#orders.run(async () => {
      this.#recovery.reset()
      if (this.#phase !== 'stopped') {
        this.#move('leave')
        await this.#vacate()
      }
      this.#context.slots.release(this)
      this.#reason = null
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
    this.#definition = definition
    if (this.#phase !== 'failed') return
    this.#recovery.reset()
    this.#rest()
    this.#reason = null
  }

  /** Boots it in the background if there is room without stopping another. */
  bootEagerly(): void {
    this.#inBackground(this.#bootOrder((signal) => this.#bring(false, signal)))
  }

  idleSince(): number | null {
    const idle = this.#phase === 'ready' && !this.#orders.busy && this.#lineage.inFlight === 0
    return idle ? this.#lineage.current!.idleSince : null
  }

  isLeaving(): boolean {
    return this.#phase === 'draining' && !this.#replacing
  }

  makeRoom(): void {
    this.#dismiss('evicted')
  }

  status(): InstanceStatus {
    const closed = this.#context.closed(this.name)
    const isDisabled = closed && (this.#phase === 'stopped' || this.#phase === 'failed')
    const { foremost, inFlight, lastExit, lastUse, survivors } = this.#lineage
    const leftBehind = survivors.length === 0 ? null : `These processes do not end: ${survivors.join(', ')}.`
    return {
      name: this.name,
      state: isDisabled ? 'disabled' : this.#phase,
      generation: foremost
        ? {
            number: foremost.number,
            pid: foremost.pid,
            since: foremost.since.toISOString(),
            address: addressText(foremost.address),
          }
        : null,
      inFlight,
      waiting: this.#room.size,
      crashes: this.#crashes,
      lastExit: lastExit ? { ...lastExit, at: lastExit.at.toISOString() } : null,
      nextTry: wallClock(this.#recovery.nextTry),
      reason: isDisabled
        ? (closed.message ?? 'It is stopped by the operator.')
        : (this.#reason ?? leftBehind),
      lastActivity: wallClock(lastUse),
    }
  }

  /** Boots it for those who wait, unless an order does so anyway. */
  #wake(): void {
    if (this.#phase !== 'stopped' || this.#room.size === 0 || this.#wakeWaiting) return
    this.#wakeWaiting = true
    const boot = this.#bootOrder(async (signal) => {
      if (this.#room.size > 0) await this.#bring(true, signal)
    })
    this.#inBackground(
      boot.finally(() => {
        this.#wakeWaiting = false
        this.#wake()
      }),
    )
  }

  #tryAgain(): void {
    this.#crashes++
    this.bootEagerly()
  }

  /** @param stops what the count of stops was when the boot was ordered */
  #bootOrder<Result>(task: (signal: AbortSignal) => Promise<Result>, stops = this.#stops): Promise<Result> {
    return this.#orders
      .run(() => {
        if (this.#stops !== stops) throw new Superseded('It was stopped meanwhile.')
        this.#bootAbort = new AbortController()
        return task(this.#bootAbort.signal)
      })
      .catch((error: unknown) => {
        throw orderFailure(this.name, error)
      })
  }

  /** An order that nobody waits for: those whom its failure concerns have been told by the order itself. */
  #inBackground(order: Promise<void>): void {
    order.catch((error: unknown) => {
      if (!(error instanceof ControlError)) this.#event('fault', { message: String(error) })
    })
  }

  /**
   * Makes it ready.
   * @param evict whether another instance may be stopped to make room
   * @param fallback settings to go back to when the present ones do not become ready
   */
  async #bring(evict: boolean, signal: AbortSignal, fallback?: InstanceDefinition): Promise<void> {
    if (this.#phase === 'ready') return
    await this.#admission(evict, signal)
    if (this.#phase !== 'starting') this.#move('boot')
    let failure: unknown
    let generation: Generation
    try {
      generation = await this.#lineage.boot(this.#definition, signal).catch((error: unknown) => {
        if (!fallback || signal.aborted) throw error
        failure = error
        return this.#lineage.boot(fallback, signal)
      })
    } catch (error) {
      if (signal.aborted) this.#rest()
      else this.#fail(messageOf(error), null, !(error instanceof BootError) || error.passing)
      throw error
    }
    this.#serve(generation)
    if (failure === undefined) return
    this.#degrade(failure)
    throw failure
  }

  /** Waits until it may boot: open, and within the cap. When it may not, nobody is left waiting. */
  async #admission(evict: boolean, signal: AbortSignal): Promise<void> {
    const { slots, closed } = this.#context
    try {
      this.#refuseIfClosed()
      if (evict) await slots.take(this, signal)
      else slots.takeFree(this)
    } catch (error) {
      const shut = closed(this.name)
      if (!signal.aborted) this.#room.refuse(shut ? stopped(shut.message) : busy())
      this.#recovery.settle()
      if (this.#phase !== 'stopped') this.#rest()
      slots.release(this)
      throw error
    }
  }

  /** From here on this generation serves, in the place of the one before it, if there is one. */
  #serve(generation: Generation): void {
    this.#move(this.#phase === 'ready' ? 'swapped' : 'proved')
    this.#lineage.install(generation)
    this.#recovery.settle()
    this.#reason = null
    this.#idleTimer?.stop()
    const { idle } = generation.definition
    if (idle !== null) {
      const expired = () => this.#dismiss('idle')
      this.#idleTimer = new IdleTimer(idle, () => this.idleSince(), expired)
    }
    this.#room.admit(() => generation.lease())
  }

  async #restart(restarting: RestartUnderWay, stops: number): Promise<RestartReport> {
    const began = performance.now()
    if (this.#phase === 'starting')
      this.#bootAbort.abort(new Superseded('It was restarted while it was starting.'))
    this.#recovery.reset()
    // So that there are never more than two generations at a time.
    await this.#lineage.departed()
    const { old, next, drained } = await this.#bootOrder((signal) => this.#replace(restarting, signal), stops)
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

  /** The old generation may still be on its way out afterwards: it is gone when `drained` is known. */
  async #replace(
    restarting: RestartUnderWay,
    signal: AbortSignal,
  ): Promise<{ old: Generation | undefined; next: Generation; drained: number | Promise<number> }> {
    restarting.definition = this.#definition
    const old = this.#lineage.current
    if (old && this.#definition.restart === 'overlap') {
      const next = await this.#lineage.boot(this.#definition, signal).catch((error: unknown) => {
        if (this.#phase === 'ready') this.#degrade(error)
        throw error
      })
      this.#serve(next)
      restarting.swapped = true
      return { old, next, drained: this.#lineage.retire(old) }
    }
    const drained = old ? await this.#makeWay() : 0
    await this.#bring(true, signal, old && old.definition !== this.#definition ? old.definition : undefined)
    restarting.swapped = true
    return { old, next: this.#lineage.current!, drained }
  }

  /** Ends the generation that serves, so that the next can start; requests are held, and the slot is kept. */
  async #makeWay(): Promise<number> {
    this.#replacing = true
    this.#move('leave')
    this.#idleTimer?.stop()
    try {
      return await this.#lineage.leave()
    } finally {
      this.#move('gone')
      this.#replacing = false
    }
  }

  /** Stops it because nobody uses it; requests that come from now on are held, and boot it again. */
  #dismiss(event: 'idle' | 'evicted'): void {
    this.#move('leave')
    this.#event(event)
    this.#inBackground(this.#orders.run(() => this.#vacate()).then(() => this.#wake()))
  }

  /** From draining to stopped. */
  async #vacate(): Promise<void> {
    this.#idleTimer?.stop()
    await this.#lineage.leave()
    await this.#lineage.departed()
    this.#move('gone')
    this.#context.slots.release(this)
  }

  /** To stopped, from where nothing runs. */
  #rest(): void {
    this.#move('leave')
    this.#move('gone')
    this.#context.slots.release(this)
  }

  #fail(reason: string, readyFor: number | null, passing: boolean): void {
    this.#reason = reason
    const held = this.#recovery.failed(readyFor, passing)
    this.#move(held ? 'crashed' : 'gave-up')
    if (held) return
    this.#event('failed', { reason, nextTry: wallClock(this.#recovery.nextTry) })
    this.#room.refuse(this.#refusal())
    void this.#lineage.departed().then(() => {
      if (this.#phase === 'failed') this.#context.slots.release(this)
    })
  }

  /** A change failed, and what was there before goes on. */
  #degrade(error: unknown): void {
    this.#reason = `The last restart failed: ${messageOf(error)}`
  }

  #move(event: LifecycleEvent): void {
    this.#phase = move(this.#phase, event)
  }

  #event(event: string, fields: Omit<LogEvent, 'event'> = {}): void {
    this.#context.log({ event, instance: this.name, ...fields })
  }

  #refuseIfClosed(): void {
    if (this.#context.closed(this.name)) throw disabled(this.name)
  }

  #refusal(): Problem {
    const { nextTry } = this.#recovery
    const seconds = nextTry === null ? LATER : (nextTry - performance.now()) / 1000
    return new Problem('instance_failed', { retryAfter: Math.max(1, seconds) })
  }
}

function stopped(message: string | null): Problem {
  return new Problem('instance_stopped', message === null ? {} : { detail: message })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A moment of the monotonic clock, as the wall clock shows it. */
function wallClock(moment: number | null): string | null {
  return moment === null ? null : new Date(Date.now() + moment - performance.now()).toISOString()
}

import { setMaxListeners } from 'node:events'
import type { Activity, InstanceName } from '@mux/contract'
import type { InstanceDefinition } from './definition.ts'
import type { TreeEnd } from './end-tree.ts'
import { KeptConnections } from './forward/kept-connections.ts'
import type { Address, Lease } from './lease.ts'
import { AddressGuard } from './address-guard.ts'
import { isStopped, type ProcessIdentity } from './process-tree.ts'
import type { Exit, RunningProcess } from './running-process.ts'
import type { Tenancy } from './tenancy.ts'
import { within } from './wait.ts'

/** Milliseconds that exchanges have to end themselves once the drain limit is over, or the process is. */
const LAST_WORDS = 2_000

export interface GenerationParts {
  definition: InstanceDefinition
  process: RunningProcess
  tenancy: Tenancy
  /** When aborted, nothing is waited for any more. */
  hurry: AbortSignal
}

/** An exchange began or ended. */
export interface Use {
  /** On the monotonic clock. */
  at: number
  by: Activity
}

/** One run of an instance: a process tree, its address, and the exchanges that are under way with it. */
export class Generation {
  /** The settings that it was started with; the instance may have others by now. */
  readonly definition: InstanceDefinition
  readonly connections: KeptConnections
  /** See `Lease`. */
  readonly isReached: Lease['isReached']
  readonly #process: RunningProcess
  readonly #tenancy: Tenancy
  readonly #hurry: AbortSignal
  readonly #ended = new AbortController()
  #leaving = false
  #inFlight = 0
  #active = 0
  #drained = 0
  #readyAt: number | null = null
  // Not one object: it would be made anew twice for each exchange.
  #lastUseAt: number | null = null
  #lastUseBy: Activity = 'request'
  #whenQuiet: (() => void) | undefined
  #end: Promise<TreeEnd> | undefined

  constructor({ definition, process, tenancy, hurry }: GenerationParts) {
    this.definition = definition
    this.#process = process
    this.#tenancy = tenancy
    this.#hurry = hurry
    // One listener for each exchange under way.
    setMaxListeners(0, this.#ended.signal)
    const { address } = tenancy
    const guard = new AddressGuard(address, process.identity)
    this.isReached = () => guard.holds()
    this.connections = new KeptConnections(address, this.isReached)
  }

  get number(): number {
    return this.#tenancy.number
  }

  get address(): Address {
    return this.#tenancy.address
  }

  get since(): Date {
    return this.#tenancy.since
  }

  get identity(): ProcessIdentity {
    return this.#process.identity
  }

  get pid(): number {
    return this.#process.identity.pid
  }

  get exited(): Promise<Exit> {
    return this.#process.exited
  }

  get exit(): Exit | undefined {
    return this.#process.exit
  }

  /** Requests and open sockets under way. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Those of them that keep it awake. */
  get active(): number {
    return this.#active
  }

  /** When one that keeps it awake last began or ended; null before the first. */
  get lastUse(): Use | null {
    return this.#lastUseAt === null ? null : { at: this.#lastUseAt, by: this.#lastUseBy }
  }

  /** When it became ready, on the monotonic clock; null before. */
  get readyAt(): number | null {
    return this.#readyAt
  }

  get leaving(): boolean {
    return this.#leaving
  }

  get ended(): AbortSignal {
    return this.#ended.signal
  }

  markReady(): void {
    this.#readyAt = performance.now()
    this.#tenancy.note({ stage: 'ready' })
  }

  /** See `Takeover`. */
  get degraded(): string | null {
    return this.#tenancy.degraded
  }

  /** It serves on, because another could not be put in its place. */
  degrade(reason: string): void {
    this.#tenancy.note({ degraded: reason })
  }

  /** See {@link isStopped}: nothing that is under way with it comes to its end. */
  get isStopped(): boolean {
    return isStopped(this.#process.identity)
  }

  /**
   * Registers one exchange.
   * @param activity what it is; null: it is waited for as any other, but does not keep the generation awake
   */
  lease(activity: Activity | null): Lease {
    this.#inFlight++
    if (activity !== null) {
      this.#active++
      this.#used(activity)
    }
    return new GenerationLease(this, () => this.#released(activity))
  }

  /**
   * Lets what is under way come to its end, unless it can't; what has not after `limits.drain` is told to end now.
   * @returns how many exchanges ended by themselves
   */
  async drain(): Promise<number> {
    this.#leave()
    if (this.#inFlight > 0 && !this.isStopped)
      await within(this.#quiet(), this.definition.limits.drain, this.#hurry)
    const drained = this.#drained
    this.#ended.abort()
    if (this.#inFlight > 0) await within(this.#quiet(), LAST_WORDS, this.#hurry)
    return drained
  }

  /** Ends the whole process tree and frees what the generation occupied; again, it is the same end. */
  end(): Promise<TreeEnd> {
    this.#end ??= this.#endOnce()
    return this.#end
  }

  async #endOnce(): Promise<TreeEnd> {
    this.#leave()
    // An application that ends when its last connection does should not have to wait for ours.
    if (!this.exit) await this.#disconnect()
    const { stopSignal, limits } = this.definition
    const limit = this.isStopped ? 0 : limits.stop
    const end = await this.#process.stop({ signal: stopSignal, limit, hurry: this.#hurry })
    // What a process sent before it crashed has still to be read.
    if (this.#inFlight > 0) await within(this.#quiet(), LAST_WORDS, this.#hurry)
    await this.#disconnect()
    if (end.survivors.length === 0) this.#tenancy.vacate()
    return end
  }

  #leave(): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#tenancy.note({ stage: 'leaving' })
  }

  async #disconnect(): Promise<void> {
    this.#ended.abort()
    await this.connections.destroy()
  }

  #quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenQuiet = resolve
    })
  }

  #used(by: Activity): void {
    this.#lastUseAt = performance.now()
    this.#lastUseBy = by
  }

  #released(activity: Activity | null): void {
    this.#inFlight--
    if (activity !== null) {
      this.#active--
      this.#used(activity)
    }
    if (!this.#leaving) return
    this.#drained++
    if (this.#inFlight === 0) this.#whenQuiet?.()
  }
}

class GenerationLease implements Lease {
  readonly #generation: Generation
  #giveBack: (() => void) | undefined

  constructor(generation: Generation, giveBack: () => void) {
    this.#generation = generation
    this.#giveBack = giveBack
  }

  get connections(): KeptConnections {
    return this.#generation.connections
  }

  get address(): Address {
    return this.#generation.address
  }

  get instance(): InstanceName {
    return this.#generation.definition.name
  }

  get isReached(): Lease['isReached'] {
    return this.#generation.isReached
  }

  get ended(): AbortSignal {
    return this.#generation.ended
  }

  get exited(): Promise<unknown> {
    return this.#generation.exited
  }

  get leaving(): boolean {
    return this.#generation.leaving
  }

  get responseLimit(): number | null {
    return this.#generation.definition.limits.response
  }

  release(): void {
    this.#giveBack?.()
    this.#giveBack = undefined
  }
}

import { boot, type Habitat } from './boot.ts'
import type { BootQueue, Turn } from './boot-queue.ts'
import { type InstanceDefinition, mayOverlap } from './definition.ts'
import type { Generation, Use } from './generation.ts'
import type { LogEvent } from './log-event.ts'
import { isAlive, startTimeOf } from './process-tree.ts'
import type { Exit } from './running-process.ts'

export interface LineageOptions {
  habitat: Habitat
  boots: BootQueue
  event: (event: string, fields: Omit<LogEvent, 'event' | 'instance'>) => void
  /** The generation that served ended by itself; it serves no more, and its remains are being ended. */
  crashed: (generation: Generation, exit: Exit) => void
}

/** The generations of one instance: the one that serves, one that is booting, and those that are on their way out. */
export class Lineage {
  readonly #options: LineageOptions
  readonly #retiring = new Map<Generation, Promise<number>>()
  #current: Generation | undefined
  #booting: Generation | undefined
  #number = 0
  #remains: Promise<unknown> = Promise.resolve()
  #lastExit: Exit | undefined
  #lastUse: Use | null = null
  /** When each was started, by its pid. */
  readonly #survivors = new Map<number, string | null>()
  #awaitsTurn = false
  #bootingSince: number | null = null

  constructor(options: LineageOptions) {
    this.#options = options
  }

  /** The one that serves. */
  get current(): Generation | undefined {
    return this.#current
  }

  /** True while its next boot waits until fewer others are under way. */
  get awaitsTurn(): boolean {
    return this.#awaitsTurn
  }

  /** When the boot under way began, on the monotonic clock; null while there is none. */
  get bootingSince(): number | null {
    return this.#bootingSince
  }

  /** The one to tell an operator about: that serves, else that is coming, else that is leaving. */
  get foremost(): Generation | undefined {
    return this.#current ?? this.#booting ?? [...this.#retiring.keys()].at(-1)
  }

  /** Exchanges under way with any of them. */
  get inFlight(): number {
    let sum = this.#current?.inFlight ?? 0
    for (const generation of this.#retiring.keys()) sum += generation.inFlight
    return sum
  }

  /** Those of them that keep the instance awake. */
  get active(): number {
    let sum = this.#current?.active ?? 0
    for (const generation of this.#retiring.keys()) sum += generation.active
    return sum
  }

  /** The last use of any of them, past ones included. */
  get lastUse(): Use | null {
    let last = this.#lastUse
    for (const { lastUse } of [...this.#retiring.keys(), ...(this.#current ? [this.#current] : [])])
      if (lastUse && (!last || lastUse.at >= last.at)) last = lastUse
    return last
  }

  get lastExit(): Exit | undefined {
    return this.#lastExit
  }

  /** Processes of past ones which could not be ended, and are still there. */
  get survivors(): readonly number[] {
    for (const [pid, startTime] of this.#survivors) {
      if (!isAlive({ pid, startTime, marker: '' })) this.#survivors.delete(pid)
    }
    return [...this.#survivors.keys()]
  }

  /**
   * Boots one more: beside one other at most, which serves or is on its way out, and only where the settings of both let
   * them run at once.
   * @throws as `boot` does
   */
  async boot(definition: InstanceDefinition, turn: Turn): Promise<Generation> {
    await this.#wayMade(definition)
    this.#awaitsTurn = true
    try {
      return await this.#options.boots.run(turn, async () => {
        this.#awaitsTurn = false
        // Again: another may have crashed meanwhile.
        await this.#wayMade(definition)
        return this.#boot(definition, turn.signal)
      })
    } finally {
      this.#awaitsTurn = false
    }
  }

  async #boot(definition: InstanceDefinition, signal: AbortSignal): Promise<Generation> {
    const { habitat, event } = this.#options
    const began = performance.now()
    this.#bootingSince = began
    const number = ++this.#number
    const launched = (generation: Generation) => {
      this.#booting = generation
      event('started', { generation: number, pid: generation.pid })
    }
    try {
      const generation = await boot(habitat, { definition, number, signal, launched })
      event('ready', { generation: number, pid: generation.pid, took: Math.round(performance.now() - began) })
      return generation
    } catch (error) {
      this.#lastExit = this.#booting?.exit ?? this.#lastExit
      const { pid, exit } = this.#booting ?? {}
      event('boot_failed', { generation: number, pid, ...how(exit), reason: (error as Error).message })
      throw error
    } finally {
      this.#booting = undefined
      this.#bootingSince = null
    }
  }

  /** Sees to it that the next is told from one with this number, which a supervisor before this one gave. */
  follow(number: number): void {
    this.#number = Math.max(this.#number, number)
  }

  /** Lets it serve from now on. */
  install(generation: Generation): void {
    this.#current = generation
    void generation.exited.then((exit) => {
      if (generation === this.#current) this.#bury(generation, exit)
    })
  }

  /** Takes the one that serves out of service, if there is one; see {@link retire}. */
  async leave(): Promise<number> {
    const current = this.#current
    this.#current = undefined
    return current ? this.retire(current) : 0
  }

  /**
   * Drains and ends one that serves no more; again, it is the same end.
   * @returns once its whole tree is gone, how many exchanges it still finished
   */
  retire(generation: Generation): Promise<number> {
    const underWay = this.#retiring.get(generation)
    if (underWay) return underWay
    const done = generation.drain().then(async (drained) => {
      await this.#end(generation)
      return drained
    })
    this.#retiring.set(generation, done)
    return done
  }

  /** Returns when those on their way out at this moment are gone. */
  async departed(): Promise<void> {
    await Promise.all(this.#retiring.values())
  }

  /** Returns when those are gone beside which it must not be booted; the remains of a crash are always among them. */
  async #wayMade(definition: InstanceDefinition): Promise<void> {
    await this.#remains
    const leaving = [...this.#retiring]
    const isCrowded = leaving.length + (this.#current ? 1 : 0) > 1
    const inTheWay = leaving.filter(([other]) => isCrowded || !mayOverlap(other.definition, definition))
    await Promise.all(inTheWay.map(([, gone]) => gone))
  }

  #bury(generation: Generation, exit: Exit): void {
    this.#current = undefined
    this.#lastExit = exit
    const { number, pid } = generation
    this.#options.event('crashed', { generation: number, pid, ...how(exit) })
    const end = this.#end(generation).then(() => 0)
    this.#remains = end
    this.#retiring.set(generation, end)
    this.#options.crashed(generation, exit)
  }

  async #end(generation: Generation): Promise<void> {
    const { number, pid } = generation
    const { event } = this.#options
    try {
      const { killed, survivors } = await generation.end()
      for (const survivor of survivors) this.#survivors.set(survivor, startTimeOf(survivor))
      const left = survivors.join(' ') || null
      event('ended', { generation: number, pid, ...how(generation.exit), killed, survivors: left })
    } catch (error) {
      event('fault', { generation: number, message: String(error) })
    }
    this.#lastUse = this.lastUse
    this.#retiring.delete(generation)
    this.#lastExit = generation.exit ?? this.#lastExit
  }
}

/** How a process ended, as fields of an event. */
function how(exit: Exit | undefined): Omit<LogEvent, 'event'> {
  if (exit === undefined) return {}
  return { by: exit.by, code: exit.code, signal: exit.signal, out_of_memory: exit.outOfMemory || null }
}

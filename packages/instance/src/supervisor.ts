import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import {
  ControlError,
  type HostStatus,
  type InstanceName,
  type InstanceStatus,
  Problem,
  type ReloadReport,
  type RestartReport,
} from '@mux/contract'
import { Ports } from './addresses.ts'
import { BootQueue } from './boot-queue.ts'
import type { InstanceDefinition, InstanceLimits } from './definition.ts'
import { EventJournal } from './event-journal.ts'
import { removeDrafts } from './generation-record.ts'
import { closeInheritedDescriptors } from './inherited-descriptors.ts'
import { Instance, type InstanceContext } from './instance.ts'
import type { ClaimOptions, Lease } from './lease.ts'
import { endLeftover, findLeftovers, type Leftovers } from './leftovers.ts'
import type { LogEvent } from './log-event.ts'
import { LogKeeper } from './log-keeper.ts'
import { MemoryWatch } from './memory-watch.ts'
import { SettingsHistory } from './settings-history.ts'
import { Slots } from './slots.ts'
import { busy } from './waiting-room.ts'

export interface SupervisorOptions {
  /** Absolute path of the project's `.mux`; it exists and is 0700. Its host lock is held by the caller. */
  stateDirectory: string
  pool: {
    /** How many instances run at once; a restart that overlaps has two generations of one instance for a while. */
    max: number
    /** How many generations boot at once. */
    parallelBoots: number
  }
  definitions: readonly InstanceDefinition[]
  /**
   * The operator's "leave it stopped", asked at every claim and before every boot, so it must be quick. The durable
   * truth is the registry's; undefined: open.
   */
  closed: (name: InstanceName) => { message: string | null } | undefined
  /** The supervisor's own environment, of which a generation inherits a documented few. */
  environment: Readonly<NodeJS.ProcessEnv>
  log: (event: LogEvent) => void
}

/** Boots, watches, restarts and ends the instances of one host. */
export interface Supervisor {
  /**
   * A lease on the instance's generation: at once when it is ready (no await between choosing and leasing), else
   * when it is. Not to be called before `open` has resolved. Throws or rejects with a `Problem`: instance_undefined,
   * instance_stopped (detail: the operator's message), instance_failed, instance_busy, instance_start_timeout, and
   * instance_starting for a navigation that has waited 1.5 s. When `signal` aborts, it rejects with the signal's reason.
   */
  claim(name: InstanceName, options: ClaimOptions): Lease | Promise<Lease>
  /**
   * Orders of the operator. All throw `ControlError`: instance_not_found; instance_disabled while `closed` says so;
   * instance_failed with the reason, the next command and the last 20 lines of the log; pool_full; shutting_down.
   */
  start(name: InstanceName): Promise<InstanceStatus>
  stop(name: InstanceName): Promise<InstanceStatus>
  /** Returns when the old generation's whole process tree is gone. A failure leaves the old one serving. */
  restart(name: InstanceName): Promise<RestartReport>
  /** Adds what is new, ends what is gone (drained, in the background); what changed holds from the next generation on. */
  define(definitions: readonly InstanceDefinition[]): ReloadReport
  status(): Pick<HostStatus, 'pool' | 'instances'>
  /** Within which limits requests for an instance are held; undefined when there is none of that name. */
  limitsOf(name: InstanceName): InstanceLimits | undefined
  /**
   * Takes over what a dead supervisor left running and still serves, then begins to boot the eager instances. Waits
   * neither for them nor for the end of what could not be taken over, beside which nothing of its instance is booted.
   */
  open(): Promise<void>
  /**
   * Refuses new claims, drains and ends everything; bounded by the longest `limits.drain` + `limits.stop`.
   * @param hurry when aborted, nothing is waited for any more: what is left is killed
   */
  close(hurry?: AbortSignal): Promise<void>
}

/** Nothing runs before `open`. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  return new Host(options)
}

class Host implements Supervisor {
  readonly #options: SupervisorOptions
  readonly #context: InstanceContext
  readonly #hurry = new AbortController()
  readonly #slots: Slots
  readonly #boots: BootQueue
  readonly #journal: EventJournal
  /** Those that are no longer defined stay until the last of their processes is gone, in case they come back. */
  readonly #instances = new Map<InstanceName, { instance: Instance; defined: boolean }>()
  #closing: Promise<void> | undefined

  constructor(options: SupervisorOptions) {
    const { stateDirectory, environment, pool, closed } = options
    const log = (event: LogEvent) => this.#tell(event)
    // One listener for each wait under way.
    setMaxListeners(0, this.#hurry.signal)
    this.#options = options
    this.#journal = new EventJournal(stateDirectory)
    this.#slots = new Slots(pool.max)
    this.#boots = new BootQueue(pool.parallelBoots)
    this.#context = {
      habitat: {
        stateDirectory,
        environment,
        ports: new Ports(),
        logs: new LogKeeper(stateDirectory, log),
        history: new SettingsHistory(stateDirectory, log),
        hurry: this.#hurry.signal,
      },
      slots: this.#slots,
      boots: this.#boots,
      memory: new MemoryWatch(),
      closed,
      log,
    }
    for (const definition of options.definitions) this.#add(definition)
  }

  claim(name: InstanceName, options: ClaimOptions): Lease | Promise<Lease> {
    if (this.#closing) throw busy()
    const entry = this.#instances.get(name)
    if (!entry?.defined) throw new Problem('instance_undefined')
    return entry.instance.claim(options)
  }

  async start(name: InstanceName): Promise<InstanceStatus> {
    return this.#find(name).start()
  }

  async stop(name: InstanceName): Promise<InstanceStatus> {
    return this.#find(name).stop()
  }

  async restart(name: InstanceName): Promise<RestartReport> {
    return this.#find(name).restart()
  }

  define(definitions: readonly InstanceDefinition[]): ReloadReport {
    this.#refuseIfClosing()
    const report: ReloadReport = { added: [], removed: [], changed: [] }
    for (const definition of definitions) {
      const entry = this.#instances.get(definition.name)
      if (entry?.defined && isDeepStrictEqual(entry.instance.definition, definition)) continue
      const isNew = !entry?.defined
      report[isNew ? 'added' : 'changed'].push(definition.name)
      if (entry) entry.instance.redefine(definition)
      const instance = this.#add(definition, entry?.instance)
      if (isNew && definition.boot === 'eager') instance.bootEagerly()
    }
    const names = new Set(definitions.map(({ name }) => name))
    for (const [name, { defined }] of this.#instances) {
      if (!defined || names.has(name)) continue
      report.removed.push(name)
      this.#remove(name)
    }
    return report
  }

  status(): Pick<HostStatus, 'pool' | 'instances'> {
    return {
      pool: {
        max: this.#slots.max,
        running: this.#slots.used,
        parallelBoots: this.#boots.max,
        booting: this.#boots.running,
        waiting: this.#boots.waiting,
      },
      instances: [...this.#instances.values()].map(({ instance }) => instance.status()),
    }
  }

  limitsOf(name: InstanceName): InstanceLimits | undefined {
    const entry = this.#instances.get(name)
    return entry?.defined ? entry.instance.definition.limits : undefined
  }

  async open(): Promise<void> {
    closeInheritedDescriptors()
    await this.#context.habitat.logs.takeOver()
    const { stateDirectory } = this.#options
    const leftovers = findLeftovers(stateDirectory)
    removeDrafts(join(stateDirectory, 'run'))
    await Promise.all([...leftovers].map(([name, left]) => this.#inherit(name, left)))
    for (const { instance, defined } of this.#instances.values()) {
      if (defined && instance.definition.boot === 'eager') instance.bootEagerly()
    }
  }

  close(hurry?: AbortSignal): Promise<void> {
    if (hurry?.aborted) this.#hurry.abort()
    else hurry?.addEventListener('abort', () => this.#hurry.abort(), { once: true })
    this.#closing ??= this.#closeOnce()
    return this.#closing
  }

  async #closeOnce(): Promise<void> {
    await Promise.all([...this.#instances.values()].map(({ instance }) => instance.stop(busy())))
    await this.#context.habitat.logs.close()
    this.#journal.close()
  }

  async #inherit(name: InstanceName, leftovers: Leftovers): Promise<void> {
    const known = this.#instances.get(name)?.instance
    if (known) return known.inherit(leftovers, true)
    const definition = leftovers.records.findLast(({ takeover }) => takeover)?.takeover?.definition
    if (definition) {
      const instance = this.#add(definition)
      void instance.inherit(leftovers, false)
      this.#remove(name)
      return
    }
    const { stateDirectory } = this.#options
    const end = { stateDirectory, hurry: this.#hurry.signal, log: this.#context.log }
    await Promise.all(leftovers.records.map((record) => endLeftover(record, end)))
  }

  #add(definition: InstanceDefinition, known?: Instance): Instance {
    const instance = known ?? new Instance(definition, this.#context)
    this.#instances.set(definition.name, { instance, defined: true })
    return instance
  }

  #remove(name: InstanceName): void {
    const { instance } = this.#instances.get(name)!
    const entry = { instance, defined: false }
    this.#instances.set(name, entry)
    instance.stop(new Problem('instance_undefined')).then(
      () => {
        if (this.#instances.get(name) === entry) this.#instances.delete(name)
      },
      (error: unknown) => this.#tell({ event: 'fault', instance: name, message: String(error) }),
    )
  }

  #find(name: InstanceName): Instance {
    this.#refuseIfClosing()
    const entry = this.#instances.get(name)
    if (entry?.defined) return entry.instance
    throw new ControlError('instance_not_found', `There is no instance ${name}.`, {
      hint: 'mux instance list',
    })
  }

  #tell(event: LogEvent): void {
    this.#journal.write(event)
    // The log, which people read as it grows, says the same by what happened.
    if (event.event !== 'state') this.#options.log(event)
  }

  #refuseIfClosing(): void {
    if (this.#closing)
      throw new ControlError('shutting_down', 'The supervisor is shutting down.', { hint: 'mux up --detach' })
  }
}

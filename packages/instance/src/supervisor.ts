import type { HostStatus, InstanceName, InstanceStatus, ReloadReport, RestartReport } from '@mux/contract'
import type { InstanceDefinition } from './definition.ts'
import type { LogEvent } from './log-event.ts'
import type { ClaimOptions, Lease } from './lease.ts'

export interface SupervisorOptions {
  /** Absolute path of the project's `.mux`; it exists and is 0700. Its host lock is held by the caller. */
  stateDirectory: string
  /** `max`: how many instances run at once; a restart that overlaps has two generations of one instance for a while. */
  pool: { max: number }
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
   * when it is. Throws or rejects with a `Problem`: instance_undefined, instance_stopped (detail: the operator's
   * message), instance_failed, instance_busy, instance_start_timeout, and instance_starting for a navigation that
   * has waited 1.5 s. When `signal` aborts, it rejects with the signal's reason.
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
  /** Ends what a dead supervisor left behind, then begins to boot the eager instances; does not wait for them. */
  open(): Promise<void>
  /**
   * Refuses new claims, drains and ends everything; bounded by the longest `limits.drain` + `limits.stop`.
   * @param hurry when aborted, nothing is waited for any more: what is left is killed
   */
  close(hurry?: AbortSignal): Promise<void>
}

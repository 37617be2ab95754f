import type { Activity, InstanceName } from '@mux/contract'
import type { KeptConnections } from './forward/kept-connections.ts'

/** Where a generation listens: always on this machine. */
export type Address = { socketPath: string } | { port: number }

/**
 * The right to send one exchange to one generation. It was registered there at the moment of the choice, so the
 * generation is kept until {@link release}, even when it was swapped out a microsecond later.
 */
export interface Lease {
  /** Whose generation it is. */
  readonly instance: InstanceName
  /** Connections to this generation and no other. */
  readonly connections: KeptConnections
  /** For an upgrade, which takes a connection of its own. */
  readonly address: Address
  /**
   * Whether a connection that is open by now leads to this generation, where somebody else may have taken its address.
   * Nothing is to be sent before that is known.
   */
  readonly isReached?: (() => Promise<boolean>) | undefined
  /** Aborted when the drain limit is over: what is still under way must end now. */
  readonly ended: AbortSignal
  /** Resolves when the process of the generation has ended, however it did. */
  readonly exited: Promise<unknown>
  /** True from when the generation is told to leave: an answer that begins from now on carries `Connection: close`. */
  readonly leaving: boolean
  /** Milliseconds that the head of an answer may take, once the request is sent; null: any time. */
  readonly responseLimit: number | null
  /** Gives the right back; more than once is harmless. */
  release(): void
}

export interface ClaimOptions {
  /** Aborted when the client has gone; then its place is free again. */
  signal: AbortSignal
  /** A person's browser opening a page: told `instance_starting` after 1.5 s instead of being held up to `limits.hold`. */
  navigation: boolean
  /** The request target, by which `idle_ignore` tells what is no activity; without one, all is. */
  target?: string
  /** What it is to an operator who asks what keeps an instance awake; by default a request. */
  activity?: Activity
}

/** Who gives leases out: the part of a supervisor that forwarding needs. See `Supervisor.claim`. */
export interface LeaseSource {
  claim(name: InstanceName, options: ClaimOptions): Lease | Promise<Lease>
}

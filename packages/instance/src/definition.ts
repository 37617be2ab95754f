import type { InstanceName } from '@mux/contract'

/**
 * All that makes an instance itself, resolved: the application's defaults and the instance's own values are merged,
 * but placeholders (`{socket}`, `{data}` …) still stand, because they differ from generation to generation.
 */
export interface InstanceDefinition {
  name: InstanceName
  /** Program and arguments; never run by a shell. */
  command: readonly [string, ...string[]]
  /** Absolute path of the working directory. */
  directory: string
  /** Environment variables. A secret is read from its file when a generation boots, and is in no text before. */
  settings: Readonly<Record<string, string | SecretFile>>
  /** Path that must answer 2xx or 3xx; null: accepting a connection is ready. */
  health: string | null
  /** Milliseconds from one probe of it to the next while it serves; null: it is not probed any more. */
  probe: number | null
  boot: 'lazy' | 'eager'
  restart: 'overlap' | 'replace'
  /** Milliseconds without traffic after which it is stopped; null: never. */
  idle: number | null
  /** Paths whose requests are no activity, and start nothing; see `isIgnored`. */
  idleIgnore: readonly string[]
  limits: InstanceLimits
  stopSignal: NodeJS.Signals
  /** Name or number of the user under which it runs, never root; null: the one of mux. */
  user: string | null
  /** Name or number of its group; null: that of `user`. */
  group: string | null
  /** Whether it may write to nothing but what is its own, and see nothing of mux and of other processes; by bubblewrap. */
  sandbox: boolean
  /** Added to the niceness of mux itself, 0 to 19: how far others go before it on a busy processor. */
  nice: number
  /** The bits that the modes of its new files don't get; null: as mux has it. */
  umask: number | null
  entry: InstanceEntry
}

/** What mux.yaml says of this instance itself, as JSON: of no use here, but kept to go back to when it has served. */
export type InstanceEntry = Readonly<Record<string, unknown>>

export interface SecretFile {
  /** Absolute path of a file, mode 0600, whose text (less one newline at its end) is the value. */
  secretFile: string
}

export interface InstanceLimits {
  /** Milliseconds, here and in `idle`: at most 24 days, or a timer would fire at once. */
  start: number
  drain: number
  stop: number
  hold: number
  /** From the last of a request to the head of its answer; null: any time. */
  response: number | null
  /** Bytes; null: no limit. */
  memory: number | null
  /** Open files of each process (RLIMIT_NOFILE of setrlimit(2)); null: as mux has it. */
  files: number | null
  /** Processes and threads of the user id that it runs under (RLIMIT_NPROC), others of that id included; null: as mux has it. */
  processes: number | null
  /** Requests held at a time. */
  queue: number
}

/** Whether a generation of `next` may run beside one of `present`: their data belong to one account at a time. */
export function mayOverlap(present: InstanceDefinition, next: InstanceDefinition): boolean {
  return next.restart === 'overlap' && next.user === present.user && next.group === present.group
}

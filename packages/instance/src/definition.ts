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
  boot: 'lazy' | 'eager'
  restart: 'overlap' | 'replace'
  /** Milliseconds without traffic after which it is stopped; null: never. */
  idle: number | null
  /** Paths whose requests are no activity, and start nothing; see `isIgnored`. */
  idleIgnore: readonly string[]
  limits: InstanceLimits
  stopSignal: NodeJS.Signals
}

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
  /** Bytes; null: no limit. */
  memory: number | null
  /** Requests held at a time. */
  queue: number
}

/** One thing that happened, as named fields. Never hand a secret to it: what is in a field is in the log. */
export interface LogEvent {
  event: string
  [field: string]: unknown
}

export type Log = (event: LogEvent) => void

/** One thing that happened, as named fields: never a secret, never free text from outside that is not escaped by the writer. */
export interface LogEvent {
  event: string
  instance?: string
  [field: string]: string | number | boolean | null | undefined
}

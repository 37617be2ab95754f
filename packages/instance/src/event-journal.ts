import { join } from 'node:path'
import type { LogEvent } from './log-event.ts'
import { eventsPath } from './log-paths.ts'
import { RotatingFile } from './rotating-file.ts'

/** The most characters of one field, and of one line. */
const LONGEST_FIELD = 500
const LONGEST_LINE = 2_000

/** What happened to the instances, as JSON lines in `events.jsonl` among the logs; rotated as they are. */
export class EventJournal {
  readonly #file: RotatingFile
  #closed = false

  constructor(stateDirectory: string) {
    this.#file = new RotatingFile({ path: eventsPath(join(stateDirectory, 'logs')) })
  }

  /** Never throws: that an event cannot be written must not keep anything from happening. */
  write(event: LogEvent): void {
    if (!this.#closed) this.#file.write(Buffer.from(eventLine(event, new Date())))
  }

  close(): void {
    this.#closed = true
    this.#file.close()
  }
}

/** One line of bounded length, in which nothing moves a terminal: time and name first, fields without a value left out. */
export function eventLine({ event, ...fields }: LogEvent, time: Date): string {
  const head = { time: time.toISOString(), event }
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)
  const bounded = given.map(([name, value]) => [
    name,
    typeof value === 'string' && value.length > LONGEST_FIELD ? `${value.slice(0, LONGEST_FIELD)}…` : value,
  ])
  for (;;) {
    const line = escapeAll(JSON.stringify({ ...head, ...Object.fromEntries(bounded) }))
    if (line.length <= LONGEST_LINE || bounded.length === 0) return `${line}\n`
    bounded.pop()
  }
}

// JSON leaves some characters as they are that move a terminal's cursor or turn the direction of writing.
function escapeAll(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

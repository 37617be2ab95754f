/** One thing that happened, as named fields. Never hand a secret to it: what is in a field is in the log. */
export interface LogEvent {
  event: string
  [field: string]: unknown
}

export type EventLog = (event: LogEvent) => void

/** The longest line, in characters: what a hostile request can make us write of itself is bounded. */
const MAX_LINE = 2000

/**
 * Writes one line an event, `name=value` in the order of the fields, the time first (logfmt).
 * @param write takes one line with its end
 */
export function createEventLog(write: (line: string) => void, now: () => Date = () => new Date()): EventLog {
  return ({ event, ...fields }) => {
    const named = Object.entries({ time: now().toISOString(), event, ...fields })
    const line = named
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => `${name}=${formatValue(value)}`)
      .join(' ')
    write(`${line.length > MAX_LINE ? `${line.slice(0, MAX_LINE - 1)}…` : line}\n`)
  }
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return formatValue(describeError(value))
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return PLAIN.test(text) ? text : escapeAll(JSON.stringify(text))
}

/** An error and what caused it, in one sentence; a stack has no place in a line. */
function describeError(error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  const own = `${error.name}${code === undefined ? '' : ` ${code}`}: ${error.message}`
  return error.cause instanceof Error ? `${own} (${describeError(error.cause)})` : own
}

const PLAIN = /^[A-Za-z0-9._:/@+,-]+$/

// JSON leaves some characters as they are that move a terminal's cursor or end a line in some readers.
function escapeAll(json: string): string {
  return json.replace(/[\u007f-\u00a0\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

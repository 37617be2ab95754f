import { readFile } from 'node:fs/promises'
import type { InstanceName } from '@mux/contract'
import { eventsPath, LOG_FILES, olderFile } from '@mux/instance/logs'

/** One line of `events.jsonl`. */
export interface InstanceEvent {
  time: string
  event: string
  instance: InstanceName
  [field: string]: string | number | boolean | undefined
}

/** What happened last to an instance, oldest first; nothing when nothing is known. */
export async function lastEvents(
  logsDirectory: string,
  instance: InstanceName,
  count: number,
): Promise<InstanceEvent[]> {
  // By line: when the files are rotated meanwhile, one is read twice.
  const found = new Map<string, InstanceEvent>()
  for (let age = 0; age < LOG_FILES && found.size < count; age++) {
    const text = await readFile(olderFile(eventsPath(logsDirectory), age), 'utf8').catch(() => '')
    const lines = text.split('\n')
    for (let index = lines.length - 1; index >= 0 && found.size < count; index--) {
      const event = decode(lines[index]!, instance)
      if (event) found.set(lines[index]!, event)
    }
  }
  return [...found.values()].toReversed()
}

function decode(line: string, instance: InstanceName): InstanceEvent | undefined {
  // Most lines are of other instances, and this tells them apart for a tenth of the price.
  if (!line.includes(`"${instance}"`)) return undefined
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { time, event, instance: name } = value as Record<string, unknown>
  const plain = Object.values(value).every((field) => ['string', 'number', 'boolean'].includes(typeof field))
  const usable = plain && typeof time === 'string' && typeof event === 'string' && name === instance
  return usable ? (value as InstanceEvent) : undefined
}

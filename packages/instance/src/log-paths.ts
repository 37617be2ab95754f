import { join } from 'node:path'

/** A file of lines and those that it was before: `a.log`, `a.log.1` … `a.log.4`. */
export const LOG_FILES = 5

/** The file that a log was `age` rotations ago. */
export function olderFile(path: string, age: number): string {
  return age === 0 ? path : `${path}.${age}`
}

/** Where an instance's output goes. */
export function logPath(logsDirectory: string, instance: string): string {
  return join(logsDirectory, `${instance}.log`)
}

/** Where it is noted when which part of a log was written: lines `<milliseconds since 1970> <offset>`; rotated with it. */
export function marksPath(log: string): string {
  return log.replace(/\.log$/, '.times')
}

/** All files that may be there for the log of an instance. */
export function logFiles(logsDirectory: string, instance: string): string[] {
  const log = logPath(logsDirectory, instance)
  return [log, marksPath(log)].flatMap((path) =>
    Array.from({ length: LOG_FILES }, (_, age) => olderFile(path, age)),
  )
}

/** What happened to the instances; see `EventJournal`. */
export function eventsPath(logsDirectory: string): string {
  return join(logsDirectory, 'events.jsonl')
}

import { readFileSync } from 'node:fs'

/** What Linux counts in, on every machine: 100 ticks a second (proc_pid_stat(5), sysconf(_SC_CLK_TCK)). */
const TICK = 10_000

/** Processor time that a process has used with all its threads, in microseconds; undefined where there is no /proc. */
export function processorTime(pid: number): number | undefined {
  try {
    return readTicks(readFileSync(`/proc/${pid}/stat`, 'utf8')) * TICK
  } catch {
    return undefined
  }
}

/** Ticks in user and system mode. The name of the program comes second, and may have blanks and parentheses in it. */
export function readTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

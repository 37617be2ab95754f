import { spawnSync } from 'node:child_process'

/** Which processors the programs of a measurement run on. */
export interface Pinning {
  /** How it is, in words. */
  description: string
  /** Gives a program that is measured, with all its threads, the one processor that is for such programs. */
  measure: (pid: number) => void
}

/**
 * Keeps one processor free for what is measured: this process, and what it starts from now on, stay off it. Otherwise a
 * bare server would have a processor to itself, and mux would share it with the application behind it and with the load.
 */
export function keepOneProcessorFree(): Pinning {
  const apart = 'nothing is pinned: what is measured shares the processors with the load and the application'
  const [first, ...rest] = readProcessors(taskset('-cp', process.pid) ?? '')
  if (first === undefined) return { description: `${apart} (no taskset)`, measure: () => {} }
  if (rest.length === 0) return { description: `${apart} (one processor)`, measure: () => {} }
  if (taskset('-acp', rest.join(','), process.pid) === undefined)
    return { description: `${apart} (taskset may not)`, measure: () => {} }
  return {
    description: `what is measured has processor ${first}, the load and the application have ${rest.join(', ')}`,
    measure(pid) {
      if (taskset('-acp', String(first), pid) === undefined) throw new Error(`taskset cannot move ${pid}`)
    },
  }
}

/** Reads the processors of what `taskset -cp` prints; none when it prints something else. */
export function readProcessors(output: string): number[] {
  const list = /affinity list: ([\d,-]+)\s*$/.exec(output)?.[1]
  if (list === undefined) return []
  return list.split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number) as [number, number?]
    return Array.from({ length: to - from + 1 }, (_, at) => from + at)
  })
}

/** What it printed; undefined when there is none, or it failed. */
function taskset(...args: (string | number)[]): string | undefined {
  const { status, stdout } = spawnSync('taskset', args.map(String), { encoding: 'utf8', timeout: 5_000 })
  return status === 0 ? stdout : undefined
}

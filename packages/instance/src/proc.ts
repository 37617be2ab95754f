import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** What `/proc` tells of a living process; see proc(5). */
export interface ProcessFacts {
  pid: number
  parent: number
  group: number
  session: number
  /** Which start of the machine, and clock ticks from it to the start of the process: with the pid, unlike any other. */
  startTime: string
  /** The ticks alone, to tell older from younger. */
  ticks: number
  /** True for a thread of the kernel, which nobody started and nobody ends. */
  isKernel: boolean
  /**
   * True while it has been stopped by a signal: it answers nobody. Not while a debugger holds it, as strace does for a
   * moment at each system call.
   */
  isStopped: boolean
}

/** Whether there is a `/proc` to tell a process from a later one with its number. */
export const hasProc = process.platform === 'linux'
/** Processes handed out in one turn of the event loop: reading one takes some 50 µs. */
const PER_TURN = 32
/** How often the list of processes is read again for what is new; a machine that forks all the time never has none. */
const ROUNDS = 4
const KERNEL_THREAD = 0x00200000

/** Undefined when it does not exist, or is a zombie. */
export function factsOf(pid: number): ProcessFacts | undefined {
  const text = readProcess(pid, 'stat')
  if (text === undefined) return undefined
  // The second field is the program's name in parentheses, and may itself contain spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: `${bootId()}/${fields[19]}`,
    ticks: Number(fields[19]),
    isKernel: (Number(fields[6]) & KERNEL_THREAD) !== 0,
    isStopped: fields[0] === 'T',
  }
}

/**
 * The environment with which a process was started, one NUL after each variable. Empty for a moment while the process
 * turns into another program; undefined when it is gone, or another user's.
 */
export function environmentOf(pid: number): string | undefined {
  return readProcess(pid, 'environ')
}

/**
 * Bytes of memory that a process takes, in swap too; undefined when it is gone, or another user's.
 * - `quick`: all that it has in memory, what it shares with others included
 * - `fair`: of what it shares, no more than its share, for which the kernel has to look at every page
 */
export function memoryOf(pid: number, how: 'quick' | 'fair'): number | undefined {
  const [file, lines] = how === 'quick' ? (['status', QUICK] as const) : (['smaps_rollup', FAIR] as const)
  const text = readProcess(pid, file)
  if (text === undefined) return undefined
  return [...text.matchAll(lines)].reduce((sum, [, kibibytes]) => sum + Number(kibibytes) * 1024, 0)
}

const QUICK = /^(?:VmRSS|VmSwap):\s*(\d+) kB$/gm
const FAIR = /^(?:Pss|SwapPss):\s*(\d+) kB$/gm

/** Every pid, and those that came up while the others were looked at: a process may fork and end meanwhile. */
export async function* everyPid(): AsyncGenerator<number> {
  const seen = new Set<string>()
  for (let round = 0; round < ROUNDS; round++) {
    const fresh = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && !seen.has(entry))
    if (fresh.length === 0) return
    for (const entry of fresh) {
      seen.add(entry)
      if (seen.size % PER_TURN === 0) await nextTurn()
      yield Number(entry)
    }
  }
}

/** @throws on anything but "there is none" and "not for you": no free descriptor must not make a process look gone */
function readProcess(pid: number, file: 'stat' | 'environ' | 'status' | 'smaps_rollup'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined
    throw error
  }
}

let cachedBootId: string | undefined

function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  return cachedBootId
}

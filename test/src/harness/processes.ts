import { readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import type { Project } from './project.ts'

/** One process of an instance, as the kernel tells it (proc(5)). */
export interface InstanceProcess {
  pid: number
  instance: string
  /** What sets the processes of one generation apart from those of the next. */
  generation: string
}

/** Every living process that an instance of this project has started, whatever session or parent it has now. */
export async function processesOf(project: Project): Promise<InstanceProcess[]> {
  const found = await Promise.all(
    (await pids()).map((pid) => instanceProcess(pid, project.path('.mux/data/'))),
  )
  return found.filter((process) => process !== undefined)
}

async function instanceProcess(pid: number, data: string): Promise<InstanceProcess | undefined> {
  const environment = await environmentOf(pid)
  const { MUX_DATA, MUX_INSTANCE, MUX_GENERATION } = environment
  if (!MUX_DATA?.startsWith(data) || MUX_INSTANCE === undefined) return undefined
  return { pid, instance: MUX_INSTANCE, generation: MUX_GENERATION ?? '' }
}

/** What a process was started with; empty for one that has ended. */
export async function environmentOf(pid: number): Promise<Record<string, string>> {
  const text = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  return Object.fromEntries(
    text
      .split('\0')
      .filter(Boolean)
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  )
}

/**
 * Sends a signal to a process that was found a moment ago.
 * @returns false when it has ended since
 */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/**
 * Remembers processes that run, so that it can be asked later which of them still do; a zombie does not. Their numbers alone
 * would not tell: where there are 32,768, processes and threads have used all of them up within minutes of tests.
 */
export async function watched(pids: readonly number[]): Promise<() => Promise<number[]>> {
  const births = new Map<number, string>()
  for (const pid of pids) births.set(pid, (await statOf(pid)).birth)
  return async () => {
    const now = await Promise.all(pids.map(statOf))
    return pids.filter((pid, at) => isLiving(now[at]!) && now[at]!.birth === births.get(pid))
  }
}

/** Whether a process has been stopped by a signal, to be continued by another. */
export async function isStopped(pid: number): Promise<boolean> {
  return (await statOf(pid)).state === 'T'
}

/** The ended processes that their parent has not taken leave of. */
export async function zombiesOf(parent: number): Promise<number[]> {
  const stats = await Promise.all((await pids()).map(async (pid) => ({ pid, ...(await statOf(pid)) })))
  return stats.filter((stat) => stat.parent === parent && stat.state === 'Z').map((stat) => stat.pid)
}

interface Stat {
  state: string
  parent: number
  /** When it began, in ticks since the machine did. */
  birth: string
}

/** Of proc_pid_stat(5); with an empty state for a process that is not there. */
async function statOf(pid: number): Promise<Stat> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name of the program stands in parentheses and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? '', parent: Number(fields[1]), birth: fields[19] ?? '' }
}

function isLiving({ state }: Stat): boolean {
  return !['', 'Z', 'X'].includes(state)
}

async function pids(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
}

/** What the open descriptors of a process are, such as `socket:[123]` and paths. */
export async function descriptorsOf(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`)
  const targets = await Promise.all(
    names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => undefined)),
  )
  return targets.filter((target) => target !== undefined)
}

/** Bytes of memory of a process: now, and the most that it had since {@link forgetPeak}. */
export async function memoryOf(pid: number): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kibibytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)![1])
  return { now: kibibytes('VmRSS') * 1024, peak: kibibytes('VmHWM') * 1024 }
}

/** Sets the peak of a process back to what it has now. */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
}

/** Seconds of a processor that a process has used so far (proc_pid_stat(5), in ticks of 10 ms). */
export function cpuOf(pid: number): Promise<number> {
  return cpuBy(`/proc/${pid}/stat`)
}

async function cpuBy(file: string): Promise<number> {
  const text = await readFile(file, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Seconds of a processor that the threads of a process with this name have used so far. */
export async function cpuOfThreads(pid: number, name: string): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`)
  const names = await Promise.all(threads.map((tid) => readFile(`/proc/${pid}/task/${tid}/comm`, 'utf8')))
  const found = threads.filter((_tid, at) => names[at] === `${name}\n`)
  // By /proc/TID it would be the time of the whole process, each time.
  const used = await Promise.all(found.map((tid) => cpuBy(`/proc/${pid}/task/${tid}/stat`)))
  return used.reduce((sum, seconds) => sum + seconds, 0)
}

/** Every living process that works in the project's directory, or was started with the name of it or of something in it. */
export async function processesIn(project: Project): Promise<number[]> {
  const isIn = async (pid: number): Promise<boolean> => {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
    const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    return cwd.startsWith(project.directory) || argv.includes(project.directory)
  }
  const found = await Promise.all((await pids()).map(async (pid) => ((await isIn(pid)) ? pid : undefined)))
  return found.filter((pid) => pid !== undefined)
}

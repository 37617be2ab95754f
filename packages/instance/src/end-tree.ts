import { isPopulated, killMembers } from './cgroup.ts'
import { forEachOfTree, type ProcessIdentity, signal } from './process-tree.ts'
import { pause, within } from './wait.ts'

/** Milliseconds that the kernel is given to carry out SIGKILL; only a process stuck inside it takes longer. */
const KILL_LIMIT = 5_000
const FIRST_LOOK = 10
const LONGEST_PAUSE = 200

export interface TreeEnd {
  /** True when SIGKILL was needed. */
  killed: boolean
  /** Pids that are still there all the same. */
  survivors: number[]
}

export interface TreeEndOptions {
  signal: NodeJS.Signals
  /** Milliseconds from the signal to SIGKILL. */
  limit: number
  /** When aborted, SIGKILL is not waited for. */
  hurry: AbortSignal
  /** Whether the leader is still there, so that its group may be signalled by its number. */
  isAlive: () => boolean
  /** Settles when the leader has been reaped; absent when another process started it. */
  exited?: Promise<unknown>
}

/**
 * Ends a process tree: the signal to the group, then, when `limit` milliseconds are over, SIGKILL to whatever is
 * left of the tree. Returns when a look at the whole machine finds nothing of it.
 */
export async function endTree(identity: ProcessIdentity, options: TreeEndOptions): Promise<TreeEnd> {
  const { limit, hurry, isAlive, exited } = options
  const deadline = performance.now() + limit
  const left = () => deadline - performance.now()

  const groupTold = isAlive() && signal(-identity.pid, options.signal)
  if (exited) await within(exited, limit, hurry)
  // Those outside the group are told once the leader is gone, since until then it may well want to end them itself.
  let othersTold = false
  for (let wait = FIRST_LOOK; left() > 0 && !hurry.aborted; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
    const tell: boolean = !othersTold && !isAlive()
    const found = await look(identity, options, (pid, group) => {
      if (tell && !(groupTold && group === identity.pid)) signal(pid, options.signal)
    })
    if (found === 0) {
      await untilReleased(identity.cgroup)
      return { killed: false, survivors: [] }
    }
    othersTold ||= tell
    await pause(Math.min(wait, Math.max(left(), 0)), hurry)
  }
  return { killed: true, survivors: await kill(identity, options) }
}

async function kill(identity: ProcessIdentity, options: TreeEndOptions): Promise<number[]> {
  const deadline = performance.now() + KILL_LIMIT
  for (;;) {
    if (options.isAlive()) signal(-identity.pid, 'SIGKILL')
    if (identity.cgroup !== undefined) killMembers(identity.cgroup)
    const pids: number[] = []
    const found = await look(identity, options, (pid) => {
      pids.push(pid)
      signal(pid, 'SIGKILL')
    })
    if (found === 0) break
    if (performance.now() > deadline) return pids.length > 0 ? pids : [identity.pid]
    await pause(FIRST_LOOK)
  }
  await untilReleased(identity.cgroup)
  // Gone from among the living, it has still to be reaped, or a zombie keeps its pid.
  if (options.exited) await within(options.exited, KILL_LIMIT)
  return []
}

/** How many of the tree are there; when that cannot be seen at the moment, not none. */
async function look(
  identity: ProcessIdentity,
  { exited }: TreeEndOptions,
  visit: (pid: number, group: number) => void,
): Promise<number> {
  try {
    return await forEachOfTree(identity, exited !== undefined, visit)
  } catch {
    return Infinity
  }
}

/** A process is seen to be gone while threads of it are still ending, and until then its control group can't be removed. */
async function untilReleased(cgroup: string | undefined): Promise<void> {
  if (cgroup === undefined) return
  const deadline = performance.now() + KILL_LIMIT
  while (isPopulated(cgroup) && performance.now() < deadline) await pause(FIRST_LOOK)
}

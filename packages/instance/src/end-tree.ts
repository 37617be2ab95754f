import { forEachOfTree, isAlive, type ProcessIdentity, signal } from './process-tree.ts'
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

interface EndOptions {
  signal: NodeJS.Signals
  limit: number
  hurry: AbortSignal
  /** Settles when the leader is gone; absent when another process started it. */
  exited?: Promise<unknown>
}

/**
 * Ends a process tree: the signal to the group, then, when `limit` milliseconds are over, SIGKILL to whatever is
 * left of the tree. Returns when a look at the whole machine finds nothing of it.
 */
export async function endTree(identity: ProcessIdentity, options: EndOptions): Promise<TreeEnd> {
  const { limit, hurry, exited } = options
  const startedHere = exited !== undefined
  const deadline = performance.now() + limit
  const left = () => deadline - performance.now()

  let groupTold = false
  if (isAlive(identity)) groupTold = signal(-identity.pid, options.signal)
  if (exited) await within(exited, limit, hurry)
  // Those outside the group are told once the leader is gone, since until then it may well want to end them itself.
  let strangersTold = false
  for (let wait = FIRST_LOOK; left() > 0 && !hurry.aborted; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
    const leaderGone = !isAlive(identity)
    const count = await forEachOfTree(identity, startedHere, (pid, group) => {
      if (leaderGone && !strangersTold && !(groupTold && group === identity.pid)) signal(pid, options.signal)
    })
    if (count === 0) return { killed: false, survivors: [] }
    strangersTold ||= leaderGone
    await pause(Math.min(wait, Math.max(left(), 0)), hurry)
  }
  return { killed: true, survivors: await kill(identity, startedHere, exited) }
}

async function kill(
  identity: ProcessIdentity,
  startedHere: boolean,
  exited: Promise<unknown> | undefined,
): Promise<number[]> {
  const deadline = performance.now() + KILL_LIMIT
  for (;;) {
    if (isAlive(identity)) signal(-identity.pid, 'SIGKILL')
    const found: number[] = []
    await forEachOfTree(identity, startedHere, (pid) => {
      found.push(pid)
      signal(pid, 'SIGKILL')
    })
    if (found.length === 0) break
    if (performance.now() > deadline) return found
    await pause(FIRST_LOOK)
  }
  // Gone from the list of the living, it has still to be reaped, or its pid stays taken by a zombie.
  if (exited) await within(exited, KILL_LIMIT)
  return []
}

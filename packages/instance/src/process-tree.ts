import { membersOf } from './cgroup.ts'
import { environmentOf, everyPid, factsOf, hasProc, type ProcessFacts } from './proc.ts'
import { MARKER_VARIABLE } from './settings.ts'
import { pause } from './wait.ts'

/** What tells a process that we started from every other, also after its pid went to somebody else. */
export interface ProcessIdentity {
  /** The leader of its own session and process group. */
  pid: number
  /** See `ProcessFacts`; null where there is no `/proc`. */
  startTime: string | null
  /** Value of the marker in its environment, which its descendants inherit. */
  marker: string
  /** Directory of the control group that it shares with its descendants alone; absent where it has none. */
  cgroup?: string | undefined
}

/** How often, and at intervals of how many milliseconds, a process that shows no environment is looked at again. */
const SECOND_LOOKS = 10
const SECOND_LOOK_AFTER = 20

/** Start time of a process (see {@link ProcessIdentity}); null when there is no such process, or no `/proc`. */
export function startTimeOf(pid: number): string | null {
  return hasProc ? (factsOf(pid)?.startTime ?? null) : null
}

/** True while this very process lives; a zombie does not. Without `/proc`, the pid is all there is to go by. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return hasProc ? factsOf(pid)?.startTime === startTime : signal(pid, 0)
}

/** True while a signal or a debugger has stopped it, so that it answers nobody and follows no other signal but SIGKILL. */
export function isStopped({ pid, startTime }: ProcessIdentity): boolean {
  if (!hasProc) return false
  try {
    const facts = factsOf(pid)
    return facts?.startTime === startTime && facts.isStopped
  } catch {
    return false
  }
}

/**
 * The living processes that one launch left: its control group, process group and session, whatever carries its marker,
 * and all their descendants, so those too that made a session of their own or lost the marker. What did both, and whose
 * parent is gone besides, is out of reach where there is no control group.
 *
 * Every pid found is handed to `visit` in the turn in which it was last seen to be the one, so that a signal can't
 * reach a successor of the same number.
 * @param startedHere true when this process started it, so that its group may be told by number alone
 */
export async function forEachOfTree(
  identity: ProcessIdentity,
  startedHere: boolean,
  visit: (pid: number, group: number) => void,
): Promise<number> {
  if (!hasProc) return visitGroup(identity.pid, visit)
  let census = await takeCensus(identity, startedHere)
  for (let looks = 0; census.members.length === 0 && census.anyBlank && looks < SECOND_LOOKS; looks++) {
    await pause(SECOND_LOOK_AFTER)
    census = await takeCensus(identity, startedHere)
  }
  let count = 0
  for (const { pid, group, startTime } of census.members) {
    if (factsOf(pid)?.startTime !== startTime) continue
    count++
    visit(pid, group)
  }
  return count
}

/** Sends a signal; false when there is nobody to take it. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    // EPERM: it is there, under a user whom we may not signal. It counts as alive, and is reported as a survivor.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

interface Census {
  members: ProcessFacts[]
  /** Whether there is a process that cannot be told to be none of ours, because it is just turning into another program. */
  anyBlank: boolean
}

async function takeCensus(
  { pid: leaderPid, startTime, marker, cgroup }: ProcessIdentity,
  startedHere: boolean,
): Promise<Census> {
  const confined = new Set(cgroup === undefined ? [] : membersOf(cgroup))
  const candidates: ProcessFacts[] = []
  const marked = new Set<ProcessFacts>()
  let anyBlank = false
  const oldest = Number(startTime?.split('/')[1] ?? 0)
  for await (const pid of everyPid()) {
    const facts = factsOf(pid)
    // What is older than the leader is no descendant of it.
    if (facts === undefined || facts.isKernel || facts.ticks < oldest || pid === process.pid) continue
    candidates.push(facts)
    const environment = environmentOf(pid)
    if (environment === '') anyBlank = true
    else if (environment?.includes(`${MARKER_VARIABLE}=${marker}\0`)) marked.add(facts)
  }
  const inGroup = (p: ProcessFacts) => p.group === leaderPid || p.session === leaderPid
  const leader = candidates.find(({ pid }) => pid === leaderPid)
  // A number belongs to our group as long as one of ours keeps it; afterwards the kernel may give it away.
  const isReused = leader !== undefined && leader.startTime !== startTime
  const isKnown = startedHere || leader !== undefined || [...marked].some(inGroup)
  const founders = candidates.filter(
    (p) => marked.has(p) || confined.has(p.pid) || (isKnown && !isReused && inGroup(p)),
  )
  return { members: withDescendants(founders, candidates), anyBlank }
}

function withDescendants(founders: ProcessFacts[], candidates: ProcessFacts[]): ProcessFacts[] {
  const members = new Set(founders)
  for (;;) {
    const pids = new Set([...members].map(({ pid }) => pid))
    const children = candidates.filter((p) => !members.has(p) && pids.has(p.parent))
    if (children.length === 0) return [...members]
    for (const child of children) members.add(child)
  }
}

/** Where there is no `/proc`: the group as a whole, under the number of its leader. */
function visitGroup(leader: number, visit: (pid: number, group: number) => void): number {
  if (!signal(-leader, 0)) return 0
  visit(-leader, leader)
  return 1
}

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

/** True while a signal has stopped it, so that it answers nobody, and of other signals follows SIGKILL only. */
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
  let members: ProcessFacts[]
  for (let looks = 0; ; looks++) {
    const sightings = await seeAll({ oldest: ticksOf(identity) })
    members = treeAmong(sightings, identity, startedHere)
    if (members.length > 0 || looks === SECOND_LOOKS || !sightings.some(({ isBlank }) => isBlank)) break
    await pause(SECOND_LOOK_AFTER)
  }
  let count = 0
  for (const { pid, group, startTime } of members) {
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

/** What was seen of one process. */
export interface Sighting {
  facts: ProcessFacts
  /** The marker of the launch that it comes from, if it carries one. */
  marker: string | undefined
  /** True while it cannot be told whether it carries one, because it is just turning into another program. */
  isBlank: boolean
}

/** Every process but this one and those of the kernel; reading one takes some 50 µs. */
export async function seeAll({ oldest = 0 }: { oldest?: number } = {}): Promise<Sighting[]> {
  const sightings: Sighting[] = []
  for await (const pid of everyPid()) {
    const facts = factsOf(pid)
    if (facts === undefined || facts.isKernel || facts.ticks < oldest || pid === process.pid) continue
    const environment = environmentOf(pid)
    sightings.push({ facts, marker: markerIn(environment), isBlank: environment === '' })
  }
  return sightings
}

/** When the leader of a launch was started, in clock ticks: what is older is no descendant of it. */
export function ticksOf({ startTime }: ProcessIdentity): number {
  return Number(startTime?.split('/')[1] ?? 0)
}

/** The marker in an environment as `/proc` has it. */
export function markerIn(environment: string | undefined): string | undefined {
  const name = `${MARKER_VARIABLE}=`
  return environment
    ?.split('\0')
    .find((text) => text.startsWith(name))
    ?.slice(name.length)
}

/** Those of a launch, see {@link forEachOfTree}, among all that were seen. */
export function treeAmong(
  sightings: readonly Sighting[],
  { pid: leaderPid, startTime, marker, cgroup }: ProcessIdentity,
  startedHere: boolean,
): ProcessFacts[] {
  const confined = new Set(cgroup === undefined ? [] : membersOf(cgroup))
  const marked = new Set(sightings.filter((seen) => seen.marker === marker).map(({ facts }) => facts))
  const candidates = sightings.map(({ facts }) => facts)
  const inGroup = (p: ProcessFacts) => p.group === leaderPid || p.session === leaderPid
  const leader = candidates.find(({ pid }) => pid === leaderPid)
  // A number belongs to our group as long as one of ours keeps it; afterwards the kernel may give it away.
  const isReused = leader !== undefined && leader.startTime !== startTime
  const isKnown = startedHere || leader !== undefined || [...marked].some(inGroup)
  const founders = candidates.filter(
    (p) => marked.has(p) || confined.has(p.pid) || (isKnown && !isReused && inGroup(p)),
  )
  return withDescendants(founders, candidates)
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

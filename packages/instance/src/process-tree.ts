import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MARKER_VARIABLE } from './settings.ts'

/** What tells a process that we started from every other, also after its pid went to somebody else. */
export interface ProcessIdentity {
  /** The leader of its own session and process group. */
  pid: number
  /** Which start of the machine, and clock ticks since (proc(5), `stat` field 22); null where there is no `/proc`. */
  startTime: string | null
  /** Value of the marker in its environment, which its descendants inherit. */
  marker: string
}

interface ProcessFacts {
  pid: number
  state: string
  parent: number
  group: number
  session: number
  startTime: string
}

/** Whether a process can be told from a later one with its number. */
export const canIdentify = process.platform === 'linux'
/** Processes looked at in one turn of the event loop: reading one takes about 30 µs. */
const PER_TURN = 64
/** How often the list of processes is read again for what is new; a machine that forks all the time never has none. */
const ROUNDS = 4

/** Start time of a process (see {@link ProcessIdentity}); null when there is no such process, or no `/proc`. */
export function startTimeOf(pid: number): string | null {
  return factsOf(pid)?.startTime ?? null
}

/** True while this very process lives; a zombie does not. Without `/proc`, the pid is all there is to go by. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (!canIdentify) return signal(identity.pid, 0)
  const facts = factsOf(identity.pid)
  return facts !== undefined && facts.startTime === identity.startTime && !isDead(facts)
}

/**
 * The living processes that one launch left: its group and session, whatever carries its marker, and all their
 * descendants, so those too that made a session of their own or lost the marker. What did both, and whose parent is
 * gone besides, is out of reach without a cgroup.
 *
 * Every pid found is handed to `visit` in the same turn in which it was looked at, so that a signal can't reach a
 * successor of the same number.
 * @param startedHere true when this process started it, so that its group may be told by number alone
 */
export async function forEachOfTree(
  identity: ProcessIdentity,
  startedHere: boolean,
  visit: (pid: number, group: number) => void,
): Promise<number> {
  if (!canIdentify) return visitGroup(identity.pid, visit)
  const members = await membersOf(identity, startedHere)
  let count = 0
  for (const { pid, group, startTime } of members) {
    if (startTimeOf(pid) !== startTime) continue
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

async function membersOf(identity: ProcessIdentity, startedHere: boolean): Promise<ProcessFacts[]> {
  const marked = new Set<number>()
  const all: ProcessFacts[] = []
  for await (const pid of everyPid()) {
    const facts = factsOf(pid)
    if (facts === undefined || isDead(facts) || pid === process.pid) continue
    all.push(facts)
    if (carries(pid, identity.marker)) marked.add(pid)
  }
  const inGroup = (p: ProcessFacts) => p.group === identity.pid || p.session === identity.pid
  const leader = all.find(({ pid }) => pid === identity.pid)
  // A number belongs to our group as long as one of ours keeps it; afterwards the kernel may give it away.
  const reused = leader !== undefined && leader.startTime !== identity.startTime
  const groupIsOurs =
    !reused && (startedHere || leader !== undefined || all.some((p) => inGroup(p) && marked.has(p.pid)))
  const members = new Set(all.filter((p) => marked.has(p.pid) || (groupIsOurs && inGroup(p))))
  const parents = new Set([...members].map(({ pid }) => pid))
  for (let grown = true; grown;) {
    const children = all.filter((p) => !members.has(p) && parents.has(p.parent))
    for (const child of children) {
      members.add(child)
      parents.add(child.pid)
    }
    grown = children.length > 0
  }
  return [...members]
}

/** Every pid, and those that came up while the others were looked at: a process may fork and end meanwhile. */
async function* everyPid(): AsyncGenerator<number> {
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

function factsOf(pid: number): ProcessFacts | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Anything else, such as no free descriptor, must not make a living process look gone.
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
  // The second field is the program's name in parentheses, and may itself contain spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    pid,
    state: fields[0]!,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: `${bootId()}/${fields[19]}`,
  }
}

let cachedBootId: string | undefined

function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  return cachedBootId
}

function isDead({ state }: ProcessFacts): boolean {
  return state === 'Z' || state === 'X'
}

function carries(pid: number, marker: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${MARKER_VARIABLE}=${marker}\0`)
  } catch {
    return false
  }
}

/** Where there is no `/proc`: the group as a whole, under the number of its leader. */
function visitGroup(leader: number, visit: (pid: number, group: number) => void): number {
  if (!signal(-leader, 0)) return 0
  visit(-leader, leader)
  return 1
}

import { membersOf } from './cgroup.ts'
import { memoryOf } from './proc.ts'
import { type ProcessIdentity, seeAll, type Sighting, ticksOf, treeAmong } from './process-tree.ts'

/** Milliseconds from one look to the next. */
const INTERVAL = 2_000
/** So many times as long as a look takes, the next is waited for at least: a machine with very many processes. */
const REST = 50

interface Watched {
  identity: ProcessIdentity
  /** Bytes. */
  limit: number
  exceeded: (bytes: number) => void
}

/**
 * Looks at how much memory process trees take, of all that are watched at once, and tells when one takes more than it
 * may. What the processes of a tree share is counted once.
 */
export class MemoryWatch {
  readonly #interval: number
  readonly #watched = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined
  #isLooking = false

  constructor(interval = INTERVAL) {
    this.#interval = interval
  }

  /**
   * @param limit bytes
   * @param exceeded told once, how many bytes it takes; then it is watched no more
   * @returns ends the watch
   */
  watch(identity: ProcessIdentity, limit: number, exceeded: (bytes: number) => void): () => void {
    const watched = { identity, limit, exceeded }
    this.#watched.add(watched)
    this.#plan(this.#interval)
    return () => {
      this.#watched.delete(watched)
      if (this.#watched.size > 0) return
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  #plan(wait: number): void {
    if (this.#isLooking || this.#watched.size === 0) return
    this.#timer ??= setTimeout(() => void this.#look(), wait)
  }

  async #look(): Promise<void> {
    this.#timer = undefined
    this.#isLooking = true
    const began = performance.now()
    // What cannot be seen now, for want of descriptors, can be at the next look.
    await this.#lookOnce().catch(() => {})
    this.#isLooking = false
    this.#plan(Math.max(this.#interval, REST * (performance.now() - began)))
  }

  async #lookOnce(): Promise<void> {
    const grouped = new Map([...this.#watched].map((one) => [one, membersOfGroup(one.identity)] as const))
    const scattered = [...grouped].filter(([, pids]) => pids.length === 0).map(([one]) => one)
    const sightings = await seeFor(scattered)
    for (const watched of this.#watched) {
      const { identity, limit, exceeded } = watched
      const pids = grouped.get(watched) ?? []
      const tree = pids.length > 0 ? pids : treeAmong(sightings, identity, false).map(({ pid }) => pid)
      const bytes = take(tree, limit)
      if (bytes <= limit) continue
      this.#watched.delete(watched)
      exceeded(bytes)
    }
  }
}

function membersOfGroup({ cgroup }: ProcessIdentity): number[] {
  return cgroup === undefined ? [] : membersOf(cgroup)
}

/** All processes that may belong to these. */
async function seeFor(watched: readonly Watched[]): Promise<Sighting[]> {
  if (watched.length === 0) return []
  return seeAll({ oldest: Math.min(...watched.map(({ identity }) => ticksOf(identity))) })
}

/** Bytes that processes take together. What is certainly not too much is not looked at closely. */
function take(pids: readonly number[], limit: number): number {
  const sum = (bytesOf: (pid: number) => number) => pids.reduce((bytes, pid) => bytes + bytesOf(pid), 0)
  const quick = (pid: number) => memoryOf(pid, 'quick') ?? 0
  const roughly = sum(quick)
  return roughly <= limit ? roughly : sum((pid) => memoryOf(pid, 'fair') ?? quick(pid))
}

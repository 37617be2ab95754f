import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { InstanceName } from '@mux/contract'
import { removeGroup } from './cgroup.ts'
import type { InstanceDefinition } from './definition.ts'
import { removeDwelling } from './dwelling.ts'
import { endTree } from './end-tree.ts'
import { type GenerationRecord, readRecords, removeDrafts, removeRecord } from './generation-record.ts'
import type { LogEvent } from './log-event.ts'
import { environmentOf, factsOf, hasProc } from './proc.ts'
import { isAlive, markerIn, type ProcessIdentity } from './process-tree.ts'

/** A number that no process has. */
const NOBODY = -1
/** How the processes of an instance of which nobody knows the settings any more are ended. */
const DEFAULT_STOP = { signal: 'SIGTERM', limit: 10_000 } as const

/** What a supervisor that died has left of one instance. */
export interface Leftovers {
  /** The highest number that it gave to a generation of which something is left. */
  lastNumber: number
  /** From the oldest to the newest. */
  records: GenerationRecord[]
}

/**
 * What is left in a state directory, by instance. Nothing on a system without `/proc`, where a process cannot be told
 * from a later one with its number.
 */
export function findLeftovers(stateDirectory: string): Map<InstanceName, Leftovers> {
  const run = join(stateDirectory, 'run')
  mkdirSync(run, { recursive: true, mode: 0o700 })
  const leftovers = new Map<InstanceName, Leftovers>()
  for (const { instance, number, record } of hasProc ? readRecords(run) : []) {
    if (record?.takeover && isElsewhere(record.takeover.stateDirectory, stateDirectory)) {
      removeRecord(run, record)
      continue
    }
    const records = leftovers.get(instance)?.records ?? []
    leftovers.set(instance, { lastNumber: number, records: record ? [...records, record] : records })
  }
  return leftovers
}

/**
 * Whether processes of an instance, or of any, run, with a supervisor or without one; not known on a system without
 * `/proc`.
 */
export function hasGeneration(stateDirectory: string, instance?: InstanceName): boolean {
  const found = findLeftovers(stateDirectory)
  const those = instance === undefined ? [...found.values()] : [found.get(instance)]
  const records = those.flatMap((left) => left?.records ?? [])
  return records.some((record) => record.pid === null || isAlive(identityOf(record)))
}

/**
 * Whether a record came here with a copy of the project, while the project itself, and what the record tells of, is
 * where it was. A directory that was moved takes what runs in it along.
 */
function isElsewhere(recorded: string, here: string): boolean {
  const ours = statSync(here)
  try {
    const theirs = statSync(recorded)
    return theirs.ino !== ours.ino || theirs.dev !== ours.dev
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/**
 * What tells the processes of a record from all others. One that carries the marker of another launch is a stranger,
 * whatever its number; one that shows none, because it writes its title over its environment, is known by its start
 * time.
 */
export function identityOf({ pid, startTime, marker, cgroup: path }: GenerationRecord): ProcessIdentity {
  const cgroup = path ?? undefined
  const carried = pid === null ? undefined : markerIn(environmentOf(pid))
  // Without a pid the supervisor died in the act of starting it, and the marker is all there is to go by.
  const isKnown = pid !== null && (carried === undefined || carried === marker)
  return isKnown ? { pid, startTime, marker, cgroup } : { pid: NOBODY, startTime: null, marker, cgroup }
}

export interface LeftoverEnd {
  stateDirectory: string
  /** The present settings of its instance, for a record that says nothing of those it was started with. */
  definition?: InstanceDefinition | undefined
  /** The most that is waited from the signal to SIGKILL, in milliseconds, besides `limits.stop`. */
  patience?: number
  hurry: AbortSignal
  log: (event: LogEvent) => void
}

/**
 * Ends all that a supervisor which died has left. The caller holds the host lock, so that no other takes it over.
 * @returns one for each generation of which there was a record
 */
export async function endLeftovers(options: Omit<LeftoverEnd, 'definition'>): Promise<EndedLeftover[]> {
  const records = [...findLeftovers(options.stateDirectory).values()].flatMap((left) => left.records)
  removeDrafts(join(options.stateDirectory, 'run'))
  return Promise.all(records.map((record) => endLeftover(record, options)))
}

export interface EndedLeftover {
  instance: InstanceName
  /** Null when its supervisor died in the act of starting it. */
  pid: number | null
  /** Processes that do not end. */
  survivors: number[]
}

/** Ends all that one generation has left, and frees what it occupied. */
export async function endLeftover(record: GenerationRecord, options: LeftoverEnd): Promise<EndedLeftover> {
  const { instance, number, pid, address } = record
  const identity = identityOf(record)
  const definition = record.takeover?.definition ?? options.definition
  const { signal, limit } = definition
    ? { signal: definition.stopSignal, limit: definition.limits.stop }
    : DEFAULT_STOP
  const { survivors } = await endTree(identity, {
    signal,
    // What was stopped by a signal can't follow another, but for the last.
    limit: factsOf(identity.pid)?.isStopped ? 0 : Math.min(limit, options.patience ?? Infinity),
    hurry: options.hurry,
    isAlive: () => isAlive(identity),
  })
  options.log({
    event: 'leftover_ended',
    instance,
    generation: number,
    pid,
    survivors: survivors.join(' ') || null,
  })
  if (survivors.length === 0) {
    if ('socketPath' in address) rmSync(address.socketPath, { force: true })
    if (record.cgroup !== null) removeGroup(record.cgroup)
    removeDwelling(options.stateDirectory, record.marker)
    removeRecord(join(options.stateDirectory, 'run'), record)
  }
  return { instance, pid, survivors }
}

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { InstanceDefinition } from './definition.ts'
import { endTree } from './end-tree.ts'
import { type GenerationRecord, readRecords, removeRecord } from './generation-record.ts'
import type { LogEvent } from './log-event.ts'
import { hasProc } from './proc.ts'
import { isAlive } from './process-tree.ts'

/** How the processes of an instance that is no longer defined are ended. */
const DEFAULT_STOP = { signal: 'SIGTERM', limit: 10_000 } as const

export interface LeftoverOptions {
  stateDirectory: string
  definitions: readonly InstanceDefinition[]
  hurry: AbortSignal
  log: (event: LogEvent) => void
}

/**
 * Ends what a supervisor that died has left running, so that no instance is served by two generations. A process is
 * taken for one of ours by its pid and start time, or by the marker in its environment; never by its pid alone, so
 * on a system that tells no more nothing is ended.
 */
export async function endLeftovers(options: LeftoverOptions): Promise<void> {
  const run = join(options.stateDirectory, 'run')
  mkdirSync(run, { recursive: true, mode: 0o700 })
  if (!hasProc) return
  await Promise.all(readRecords(run).map((record) => endLeftover(run, record, options)))
}

async function endLeftover(run: string, record: GenerationRecord, options: LeftoverOptions): Promise<void> {
  const { definitions, hurry, log } = options
  const { instance, number, pid, startTime, marker, address } = record
  const definition = definitions.find(({ name }) => name === instance)
  const stop = definition ? { signal: definition.stopSignal, limit: definition.limits.stop } : DEFAULT_STOP
  // Without a pid the supervisor died in the act of starting it: -1 is nobody's, and leaves the marker to go by.
  const identity = { pid: pid ?? -1, startTime, marker }
  const { survivors } = await endTree(identity, { ...stop, hurry, isAlive: () => isAlive(identity) })
  log({ event: 'leftover_ended', instance, generation: number, pid, survivors: survivors.join(' ') || null })
  if (survivors.length > 0) return
  if ('socketPath' in address) rmSync(address.socketPath, { force: true })
  removeRecord(run, record)
}

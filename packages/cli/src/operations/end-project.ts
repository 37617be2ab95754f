import { existsSync } from 'node:fs'
import {
  type EndedLeftover,
  endLeftovers,
  hasGeneration,
  type HostLock,
  HostLockedError,
  lockHost,
} from '@mux/instance'
import { CliError } from '../errors.ts'
import type { Project } from '../project.ts'
import { endSupervisor } from './end-supervisor.ts'

export interface EndedProject {
  /** The supervisor's; null when it had died before. */
  pid: number | null
  /** Milliseconds. */
  took: number
  /** What a supervisor that had died left running. */
  leftovers: Pick<EndedLeftover, 'instance' | 'pid'>[]
}

/**
 * Ends the supervisor of a project with all its instances, or what one that died has left of them.
 * @returns when all is gone
 * @throws {CliError} `not_running` when there is neither; `supervisor_unresponsive` when something does not end
 */
export async function endProject(project: Project): Promise<EndedProject> {
  const began = performance.now()
  try {
    const ended = await endSupervisor(project)
    // A process that is stuck in the kernel outlives it.
    if (hasGeneration(project.state.directory)) await endRemains(project)
    return { ...ended, leftovers: [] }
  } catch (error) {
    if (!(error instanceof CliError && error.code === 'not_running')) throw error
    const leftovers = await endRemains(project)
    if (leftovers.length === 0) throw error
    return { pid: null, took: Math.round(performance.now() - began), leftovers }
  }
}

async function endRemains({ state }: Project): Promise<EndedProject['leftovers']> {
  const lock = existsSync(state.run) ? lockUnlessTaken(state.directory) : undefined
  if (!lock) return []
  try {
    const hurry = new AbortController().signal
    const ended = await endLeftovers({ stateDirectory: state.directory, hurry, log: () => {} })
    const survivors = ended.flatMap((leftover) => leftover.survivors)
    if (survivors.length === 0) return ended.map(({ instance, pid }) => ({ instance, pid }))
    throw new CliError('supervisor_unresponsive', 'Some of what mux has started does not end.', {
      hint: `See what it is: ps -fp ${survivors.join(',')}`,
    })
  } finally {
    lock.release()
  }
}

/** Whoever has the lock is just beginning or ending, and what is there is his. */
function lockUnlessTaken(stateDirectory: string): HostLock | undefined {
  try {
    return lockHost(stateDirectory)
  } catch (error) {
    if (error instanceof HostLockedError) return undefined
    throw error
  }
}

import { type InstanceName, RecordError } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import { readMove } from './move-journal.ts'
import { usableHosts } from './operations/find-hosts.ts'
import type { Project } from './project.ts'

/** Which instances the operator wants to stay stopped, as the registry said when it was last asked. */
export interface ClosedInstances {
  /** Asked for every request, so it does not read. */
  find(name: InstanceName): { message: string | null } | undefined
  /** Reads all of them again. */
  refresh(): Promise<void>
}

/**
 * The registry is read at the start and before every order: a command that changes what is wanted writes first and then
 * gives an order, so a process that has carried out an order knows at least as much as the one who gave it.
 * @param own as which host they are run here
 */
export function closedInstances(registry: RegistryStore, own: string, project: Project): ClosedInstances {
  let closed = new Map<string, { message: string | null }>()
  /** It has to be proven to run here before anybody is led to it. */
  async function isArriving(name: InstanceName): Promise<boolean> {
    const move = await readMove(project, name).catch(() => undefined)
    return move?.to === own && move.phase !== 'copying'
  }
  return {
    find: (name) => closed.get(name),
    async refresh() {
      const next = new Map<string, { message: string | null }>()
      const hosts = await usableHosts(registry)
      for (const { name, record } of await registry.list('instance')) {
        // What cannot be read says nothing of the operator's wish, so the present one stays.
        if (record instanceof RecordError) {
          const known = closed.get(name)
          if (known) next.set(name, known)
        } else if (record.state === 'maintenance') next.set(name, { message: record.message })
        // What is kept here of one that was moved must never serve beside it.
        else if (record.host !== own && hosts.has(record.host) && !(await isArriving(name as InstanceName)))
          next.set(name, { message: null })
      }
      closed = next
    },
  }
}

import type { HostName } from '@mux/contract'
import { controlRing, hostRing, sessionKeys, sessionRing } from '../edge-keys.ts'
import { replaceCurrent, retireBefore } from '../key-ring.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { reloadKeys, type Told } from '../running-host.ts'

export interface RotatedKey {
  /** The key of sessions. */
  host: null
  /** How many older keys still verify. */
  kept: number
  supervisor: Told
}

/**
 * Signs sessions with a new key. The old ones verify until no session of theirs can be left.
 * @throws {CliError} `config_invalid`, `key_exposed`, `key_unusable`, `supervisor_unresponsive`
 */
export async function rotateSessionKey(project: Project): Promise<RotatedKey> {
  const { edge } = await readConfig(project)
  const ring = sessionRing(project)
  const { kept } = await withProjectLock(project, async () => {
    await sessionKeys(project)
    const now = Date.now()
    await replaceCurrent(ring, now)
    return retireBefore(ring, now - edge.session.absolute)
  })
  return { host: null, kept, supervisor: await reloadKeys(project) }
}

export interface RetiredKeys {
  /** Null: those of sessions. */
  host: HostName | null
  retired: number
  supervisor: Told
}

/**
 * Accepts nothing any more that was signed with an older key: of sessions, or by the edge or the operator of a host.
 * @throws {CliError} `supervisor_unresponsive`
 */
export async function retireKeys(project: Project, host: HostName | null): Promise<RetiredKeys> {
  const rings = host === null ? [sessionRing(project)] : [hostRing(project, host), controlRing(project, host)]
  const retired = await withProjectLock(project, async () => {
    const results = await Promise.all(rings.map((ring) => retireBefore(ring, Infinity)))
    return results.reduce((sum, result) => sum + result.retired, 0)
  })
  return { host, retired, supervisor: await reloadKeys(project) }
}

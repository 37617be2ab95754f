import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { reloadKeys, type Told } from '../running-host.ts'
import { rotateSessionKey } from '../session-keys.ts'

export interface RotateKeyResult {
  /** How many older keys still verify sessions. */
  kept: number
  supervisor: Told
}

/** @throws {CliError} `config_invalid`, `key_exposed`, `key_unusable`, `supervisor_unresponsive` */
export async function rotateKey(project: Project, retire: boolean): Promise<RotateKeyResult> {
  const { edge } = await readConfig(project)
  const longest = edge.session.absolute
  const kept = await withProjectLock(project, () =>
    rotateSessionKey(project.state.keys, { now: Date.now(), longest, retire }),
  )
  return { kept, supervisor: await reloadKeys(project) }
}

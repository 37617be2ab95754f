import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { InstanceName } from '@mux/contract'
import { readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { requireInstance } from './order-instance.ts'

export interface InstanceLog {
  instance: InstanceName
  file: string
  /** False when it has not written anything yet. */
  present: boolean
}

/**
 * Finds the log of an instance; also that of one which mux.yaml has no more, as long as there is something in it.
 * @throws {CliError} `instance_not_found` when there is neither
 */
export async function instanceLog(project: Project, name: InstanceName): Promise<InstanceLog> {
  const file = join(project.state.logs, `${name}.log`)
  const present = await stat(file).then(
    ({ size }) => size > 0,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
  if (!present) requireInstance(await readConfig(project), name)
  return { instance: name, file, present }
}

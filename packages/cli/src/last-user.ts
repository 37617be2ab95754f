import { readFile, rm } from 'node:fs/promises'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { InstanceName, UserName } from '@mux/contract'
import { replaceFile } from '@mux/instance/atomic-file'
import type { Project } from './project.ts'

/**
 * Who was given an instance last. Its data outlives the entry in the registry, so without this memory the next person
 * would be given the free instance of the one before, with everything in it.
 */
export async function lastUser(project: Project, instance: InstanceName): Promise<string | undefined> {
  try {
    return (await readFile(fileOf(project, instance), 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export async function rememberUser(project: Project, instance: InstanceName, user: UserName): Promise<void> {
  await mkdir(directoryOf(project), { recursive: true, mode: 0o700 })
  await replaceFile(fileOf(project, instance), `${user}\n`, 0o600)
}

export async function forgetUser(project: Project, instance: InstanceName): Promise<void> {
  await rm(fileOf(project, instance), { force: true })
}

function directoryOf({ state }: Project): string {
  return join(state.directory, 'last-users')
}

function fileOf(project: Project, instance: InstanceName): string {
  return join(directoryOf(project), instance)
}

import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { InstanceName } from '@mux/contract'
import { replaceFile } from '@mux/instance/atomic-file'
import { CliError } from './errors.ts'
import type { Project } from './project.ts'

/**
 * The secret settings of instances: one file each (0600) in `.mux/secrets`, named in mux.yaml. No two settings share one,
 * since the name of an instance has no dot in it.
 */
export function secretName(instance: InstanceName, setting: string): string {
  return `${instance}.${setting}`
}

/** The text of a secret, less one line break at its end; undefined when there is none. */
export async function readSecret(project: Project, name: string): Promise<string | undefined> {
  return (await fileText(join(project.state.secrets, name)))?.replace(/\r?\n$/, '')
}

/** Writes a secret; returns what takes the writing back. */
export async function writeSecret(
  project: Project,
  name: string,
  value: string,
): Promise<() => Promise<void>> {
  if (value === '' || value.includes('\0'))
    throw new CliError('setting_invalid', 'A secret cannot be empty or have a NUL in it.')
  const file = join(project.state.secrets, name)
  const before = await fileText(file)
  // One line break at the end is not part of a secret, so one is written: the file then reads well in an editor.
  await replaceFile(file, `${value}\n`, 0o600)
  return async () => (before === undefined ? rm(file, { force: true }) : replaceFile(file, before, 0o600))
}

export async function removeSecret(project: Project, name: string): Promise<void> {
  await rm(join(project.state.secrets, name), { force: true })
}

async function fileText(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

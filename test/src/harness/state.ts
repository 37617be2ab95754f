import { readdir, readFile } from 'node:fs/promises'
import type { Project } from './project.ts'
import { readRecords } from './registry.ts'

/** All that commands can change of a project, to be compared before and after. */
export interface ProjectState {
  muxYaml: string
  /** The registry's values by `kind:name`. */
  records: Record<string, string>
  secrets: Record<string, string>
}

export async function stateOf(project: Project): Promise<ProjectState> {
  const names = await readdir(project.path('.mux/secrets')).catch(() => [])
  // What is to go back to, the supervisor writes.
  const secrets = await Promise.all(
    names
      .filter((name) => name !== '.history')
      .map(async (name) => [name, await readFile(project.path('.mux/secrets', name), 'utf8')] as const),
  )
  return {
    muxYaml: await project.read('mux.yaml'),
    records: Object.fromEntries(readRecords(project)),
    secrets: Object.fromEntries(secrets),
  }
}

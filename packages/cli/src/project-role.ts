import { type HostName, parseHostName } from '@mux/contract'
import { readConfigText } from './config-text.ts'
import type { Project } from './project.ts'

/** Which part a project has among the machines. */
export interface ProjectRole {
  /** Where the edge reads the registry. */
  registry: 'sqlite' | 'kv'
  /** As which host `mux up` serves here; null: as none, with an edge of its own. */
  host: HostName | null
}

/**
 * Reads it from mux.yaml also where that cannot be used otherwise: while the file is broken, somebody must still be shut out,
 * and that has to reach all who let people in.
 * @throws {CliError} `config_invalid` when the file cannot be read
 */
export async function projectRole(project: Project): Promise<ProjectRole> {
  const { parseDocument } = await import('yaml')
  const document = parseDocument(await readConfigText(project), { logLevel: 'silent' })
  const text = (path: string[]): string => {
    const value: unknown = document.getIn(path)
    return typeof value === 'string' ? value : ''
  }
  return {
    registry: text(['registry']) === 'kv' ? 'kv' : 'sqlite',
    host: parseHostName(text(['host', 'name'])) ?? null,
  }
}

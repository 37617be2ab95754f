import { openSqliteRegistry, type RegistryStore } from '@mux/edge/registry'
import { ensureStateDirectory, type Project } from './project.ts'

/** Opens the registry of a project for the time of `task`. */
export async function withRegistry<Result>(
  project: Project,
  task: (registry: RegistryStore) => Promise<Result>,
): Promise<Result> {
  await ensureStateDirectory(project)
  const registry = openSqliteRegistry(project.state.registry)
  try {
    return await task(registry)
  } finally {
    registry.close()
  }
}

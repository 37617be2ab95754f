import { readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { withRegistry } from '../registry.ts'

/** What an operator wants to know of a project that has just been started. */
export interface ProjectOverview {
  instances: string[]
  /** How many can sign in. */
  users: number
  /** Directory of the logs. */
  logs: string
}

export async function describeProject(project: Project): Promise<ProjectOverview> {
  const { instances } = await readConfig(project)
  const users = await withRegistry(project, (registry) => registry.list('user'))
  return { instances: instances.map(({ name }) => name), users: users.length, logs: project.state.logs }
}

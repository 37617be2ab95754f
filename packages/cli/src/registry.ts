import { openSqliteRegistry, type RegistryStore } from '@mux/edge/registry'
import { type CliError, toCliError } from './errors.ts'
import { type NotingRegistry, noteChanges } from './noted-changes.ts'
import { type ProjectRole, projectRole } from './project-role.ts'
import { ensureStateDirectory, type Project } from './project.ts'
import { hint } from './render.ts'

export interface RegistryOptions {
  /**
   * Told, after the task, that what it changed is here and not everywhere else yet; without it, that is thrown. A command has
   * its result to show first.
   */
  late?: (failure: CliError) => void
}

/**
 * Opens the registry of a project for the time of `task`. What the task has changed is carried to wherever else the registry
 * is read, once, after it, also when it fails.
 * @throws {CliError} `registry_behind`; `record_unfit` from a change
 */
export async function withRegistry<Result>(
  project: Project,
  task: (registry: RegistryStore) => Promise<Result>,
  { late }: RegistryOptions = {},
): Promise<Result> {
  await ensureStateDirectory(project)
  // Not before something is changed: who only reads here needs nothing of mux.yaml.
  let role: Promise<ProjectRole> | undefined
  const registry = noteChanges(openSqliteRegistry(project.state.registry), async () => {
    role ??= projectRole(project)
    const { registry: place } = await role
    if (place === 'sqlite') return () => {}
    const { checkChangeForWorker } = await import('./operations/check-for-worker.ts')
    return checkChangeForWorker
  })
  const publish = async () => {
    if (role !== undefined) await publishNoted(project, await role, registry)
  }
  try {
    const result = await task(registry).catch(async (error: unknown) => {
      await publish().catch((failure: unknown) => tell(toCliError(failure).message))
      throw error
    })
    await publish().catch((failure: unknown) => {
      if (late === undefined) throw failure
      late(toCliError(failure))
    })
    return result
  } finally {
    registry.close()
  }
}

async function publishNoted(project: Project, role: ProjectRole, registry: NotingRegistry): Promise<void> {
  if (role.registry === 'sqlite') return
  const noted = await registry.noted()
  if (noted.length === 0) return
  const { publishToKv } = await import('./publication.ts')
  await publishToKv(project, registry, noted, tell)
}

/** On standard error, as all that is no result. */
function tell(text: string): void {
  process.stderr.write(`${hint(text)}\n`)
}

import type { HostName, InstanceName } from '@mux/contract'
import { CliError } from '../errors.ts'
import { forgetMove, type Move, readMove } from '../move-journal.ts'
import { withLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { withRegistry } from '../registry.ts'
import { placeAt } from './move-place.ts'

/**
 * Removes what an instance that was moved has left where it was.
 * @throws {CliError} `instance_not_found` when nothing is kept of it, `cancelled`
 */
export async function purgeMoved(
  project: Project,
  name: InstanceName,
  confirm: (question: string) => Promise<void>,
): Promise<{ instance: InstanceName; purged: HostName }> {
  return withLock(project, 'move', async () => {
    const begun = await readMove(project, name)
    if (begun && begun.phase !== 'moved') throw unfinished(name, begun)
    const at = await withRegistry(project, (registry) => registry.read('instance', name))
    // One that was removed and added there is no leftover.
    if (begun === undefined || at?.host === begun.from)
      throw new CliError('instance_not_found', `Nothing is kept of ${name} but where it is.`, {
        hint: 'See where: mux instance list',
      })
    await confirm(`Remove what ${name} has left on ${begun.from}, its data among it, for good?`)
    await withRegistry(
      project,
      async (registry) => (await placeAt(project, registry, begun.from, name)).remove(),
      { carry: 'nowhere' },
    )
    await forgetMove(project, name)
    return { instance: name, purged: begun.from }
  })
}

/** That a move stands in the way of another one. */
export function unfinished(name: InstanceName, { phase, from, to }: Move): CliError {
  return phase === 'moved'
    ? new CliError('move_unfinished', `What ${name} left on ${from} when it moved to ${to} is still kept.`, {
        hint: `When it is needed no more: mux instance move ${name} --purge`,
      })
    : new CliError('move_unfinished', `The move of ${name} from ${from} to ${to} is not at its end.`, {
        hint: `Bring it there: mux instance move ${name} --host ${to}`,
      })
}

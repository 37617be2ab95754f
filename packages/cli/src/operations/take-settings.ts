import { ControlError, type InstanceName, type RestartReport } from '@mux/contract'
import type { InstanceDefinition } from '@mux/instance'
import { sendOrder } from '../control-client.ts'
import { unlessInterrupted } from '../end-signals.ts'
import { CliError } from '../errors.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { hostStatus } from '../running-host.ts'
import { orderRestart } from './order-instance.ts'
import { instanceOrderLimit } from './order-limits.ts'

/** Settings of an instance that are in mux.yaml now, and have yet to be taken. */
export interface SavedSettings {
  definition: InstanceDefinition
  /** Puts the settings in mux.yaml and the secrets back, unless somebody has changed them since; returns whether it did. */
  undo: () => Promise<boolean>
}

/** Whether a change of its settings has to be taken by a restart. */
export async function isRunning(project: Project, instance: InstanceName): Promise<boolean> {
  const state = await stateOf(project, instance)
  return state !== undefined && state !== 'stopped' && state !== 'disabled'
}

/**
 * Has a running instance take new settings. Where it does not become ready, the old ones are put back.
 * @param keep leave the new ones in mux.yaml all the same
 * @throws {CliError} `instance_failed` with the reason and the end of the log
 */
export async function takeSettings(
  project: Project,
  { definition, undo }: SavedSettings,
  keep: boolean,
): Promise<RestartReport> {
  const { name } = definition
  try {
    return await unlessInterrupted((signal) => orderRestart(project, definition, signal))
  } catch (error) {
    if (error instanceof CliError) throw unknownOutcome(error, name)
    if (!(error instanceof ControlError)) throw error
    const fail = (outcome: string, hint: string) =>
      new CliError('instance_failed', `${name} does not run with these settings${outcome}`, {
        hint,
        details: error.log,
        cause: error,
      })
    if (keep) {
      const serves = await serving(project, name)
      const meanwhile = serves ? 'it serves on with those before' : 'nothing serves its users'
      throw fail(
        `. They stay in mux.yaml, and ${meanwhile}.`,
        `${error.message} To go back: mux instance rollback ${name}`,
      )
    }
    if (!(await withProjectLock(project, undo))) {
      throw fail(
        ', and somebody else has changed its entry in mux.yaml meanwhile: they stay.',
        `Set them right: mux instance set ${name} NAME=VALUE`,
      )
    }
    // Where nothing served any more (restart: replace), it comes back as it was.
    const start = sendOrder(
      project.state.controlSocket,
      { op: 'start', instance: name },
      instanceOrderLimit(definition),
    )
    await start.catch(() => undefined)
    throw fail(': the old ones are back.', error.message)
  }
}

/** The supervisor was asked and is not waited for any longer: it may still be at it, so nothing is put back. */
function unknownOutcome({ code, message, cause }: CliError, name: InstanceName): CliError {
  return new CliError(
    code,
    `${message} The settings are in mux.yaml; whether ${name} has taken them is not known.`,
    { hint: `See: mux status ${name}`, cause },
  )
}

async function serving(project: Project, instance: InstanceName): Promise<boolean> {
  const state = await stateOf(project, instance).catch(() => undefined)
  return state === 'ready' || state === 'degraded'
}

async function stateOf(project: Project, instance: InstanceName) {
  return (await hostStatus(project))?.instances.find(({ name }) => name === instance)?.state
}

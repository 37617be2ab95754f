import type { InstanceName, RestartReport } from '@mux/contract'
import { type CliError, toCliError } from '../errors.ts'

/** What became of one instance of a roll. */
export type RollStep =
  | ({ outcome: 'restarted' } & RestartReport)
  /** What ran before goes on; see `instance_failed`. */
  | { outcome: 'failed'; instance: InstanceName; error: ReturnType<CliError['toJSON']>['error'] }
  /** It stopped before its turn had come, and takes the settings of now when it starts. */
  | { outcome: 'not_running'; instance: InstanceName }
  /** The roll ended before its turn. */
  | { outcome: 'untouched'; instance: InstanceName }

export interface RollOptions {
  /** How many are restarted at a time. */
  parallel: number
  /** When aborted, no further one is begun; those under way come to their end. */
  stop: AbortSignal
  /** Returns when the new process serves and the old one is gone; null when there was nothing to restart. */
  restart: (instance: InstanceName) => Promise<RestartReport | null>
  /** Told of each one as it ends. */
  done: (step: RollStep) => void
}

export interface Roll {
  /** One for each instance, in the order in which they were given. */
  steps: RollStep[]
  /** Why the roll ended before its end, if something failed. */
  failure: CliError | undefined
}

/** Restarts one after the other; the first that fails is the last that is begun. */
export async function roll(instances: readonly InstanceName[], options: RollOptions): Promise<Roll> {
  const { parallel, stop, restart, done } = options
  const steps = new Map<InstanceName, RollStep>()
  const waiting = instances.values()
  let failure: CliError | undefined
  const takeTurns = async () => {
    for (const instance of waiting) {
      if (failure !== undefined || stop.aborted) return
      const step = await restart(instance).then(
        (report): RollStep =>
          report ? { outcome: 'restarted', ...report } : { outcome: 'not_running', instance },
        (thrown: unknown): RollStep => {
          const error = toCliError(thrown)
          failure ??= error
          return { outcome: 'failed', instance, ...error.toJSON() }
        },
      )
      steps.set(instance, step)
      done(step)
    }
  }
  await Promise.all(Array.from({ length: parallel }, takeTurns))
  return {
    steps: instances.map((instance) => steps.get(instance) ?? { outcome: 'untouched', instance }),
    failure,
  }
}

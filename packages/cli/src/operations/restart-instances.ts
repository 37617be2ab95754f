import type { InstanceName, InstanceStatus } from '@mux/contract'
import { notRunning } from '../control-client.ts'
import { CliError } from '../errors.ts'
import { readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { hostStatus } from '../running-host.ts'
import { orderRestart, requireInstance } from './order-instance.ts'
import { roll, type RollOptions, type RollStep } from './roll.ts'

export interface RestartInstancesOrder extends Omit<RollOptions, 'restart'> {
  /** Undefined: all that run, in the order of mux.yaml. */
  instances: readonly InstanceName[] | undefined
}

/**
 * Restarts instances one after the other, each proven before the next.
 * @returns one step for each; empty when there was nothing to restart
 * @throws {CliError} as the first restart that failed, or `interrupted`; in its report, `instances` are the steps
 */
export async function restartInstances(project: Project, order: RestartInstancesOrder): Promise<RollStep[]> {
  const config = await readConfig(project)
  const { instances } = order
  const running = await runningInstances(project)
  const chosen = instances ?? config.instances.map(({ name }) => name).filter((name) => running.has(name))
  const definitions = new Map(chosen.map((name) => [name, requireInstance(config, name)]))
  const restart: RollOptions['restart'] = async (name) => {
    // Booting what went to sleep meanwhile would win nothing, and could put somebody else's instance to sleep.
    if (instances === undefined && !(await runningInstances(project)).has(name)) return null
    return orderRestart(project, definitions.get(name)!)
  }
  const { steps, failure } = await roll([...definitions.keys()], { ...order, restart })
  const left = steps.filter(({ outcome }) => outcome === 'untouched').map(({ instance }) => instance)
  const rest = left.length === 0 ? '' : ` Left alone: ${left.join(', ')}.`
  const report = { instances: steps }
  if (failure) {
    const { instance } = steps.find(({ outcome }) => outcome === 'failed')!
    const { code, message, hint, details } = failure
    throw new CliError(code, `The restart of ${instance} failed: ${message}${rest}`, {
      hint,
      details,
      report,
      cause: failure,
    })
  }
  if (order.stop.aborted)
    throw new CliError('interrupted', `Interrupted: what was under way is done.${rest}`, { report })
  return steps
}

/** @throws {CliError} `not_running` */
async function runningInstances(project: Project): Promise<Set<InstanceName>> {
  const status = await hostStatus(project)
  if (status === undefined) throw notRunning()
  return new Set(status.instances.filter(isRunning).map(({ name }) => name))
}

function isRunning({ generation, state }: InstanceStatus): boolean {
  return generation !== null && state !== 'draining'
}

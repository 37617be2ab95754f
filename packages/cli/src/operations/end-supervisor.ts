import { setTimeout as delay } from 'node:timers/promises'
import { isAlive, startTimeOf } from '@mux/instance'
import { sendOrder } from '../control-client.ts'
import { CliError } from '../errors.ts'
import { readConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { endLimit } from './order-limits.ts'

/** How long the order may take to be acknowledged, and how often its effect is looked for, in milliseconds. */
const ACKNOWLEDGED = 5_000
const LOOK_EVERY = 25

/**
 * Ends the supervisor of a project, and returns when its process is gone.
 * @throws {CliError} `not_running`; `supervisor_unresponsive` when it has not ended within the limits of mux.yaml
 */
export async function endSupervisor(project: Project): Promise<{ pid: number; took: number }> {
  // A mux.yaml that was broken since the start must not keep mux from being ended.
  const config = await readConfig(project).catch(() => undefined)
  const limit = endLimit(config?.instances)
  const began = performance.now()
  const { pid } = await sendOrder(project.state.controlSocket, { op: 'shutdown' }, ACKNOWLEDGED)
  const supervisor = { pid, startTime: startTimeOf(pid), marker: '' }
  while (isAlive(supervisor)) {
    if (performance.now() - began > limit) {
      throw new CliError(
        'supervisor_unresponsive',
        `mux (process ${pid}) has not ended within ${limit / 1000} s.`,
        `It is still at it; what it waits for is in ${project.state.logs}/mux.log. To end it at once: kill ${pid}`,
      )
    }
    await delay(LOOK_EVERY)
  }
  return { pid, took: Math.round(performance.now() - began) }
}

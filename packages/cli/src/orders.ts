import { isDeepStrictEqual } from 'node:util'
import {
  ControlError,
  type HostStatus,
  type InstanceName,
  type ReloadReport,
  type Target,
} from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import type { HandleOrder, Supervisor } from '@mux/instance'
import type { ClosedInstances } from './closed-instances.ts'
import { toCliError } from './errors.ts'
import type { EventLog } from './event-log.ts'
import type { Front } from './front.ts'
import { type ProjectConfig, readConfig } from './mux-yaml.ts'
import { acceptSigner, retireSigner } from './operations/host-signers.ts'
import { instancesHere } from './operations/find-place.ts'
import { recordInstances } from './operations/repair-registry.ts'
import type { Project } from './project.ts'

interface OrdersOptions {
  project: Project
  /** Where this host's instances are reached. */
  target: Target
  /** What mux.yaml said at the start. */
  started: ProjectConfig
  registry: RegistryStore
  closed: ClosedInstances
  supervisor: Supervisor
  status: () => HostStatus
  shutdown: () => void
  reloadKeys: () => Promise<void>
  gateway: Front['gateway']
  log: EventLog
}

/**
 * Carries out the operator's orders. Before one that starts something, mux.yaml and the registry are read anew, so that
 * what it starts is what they say now.
 */
export function createOrders(options: OrdersOptions): HandleOrder {
  const { closed, gateway, supervisor } = options
  let last: Promise<unknown> = Promise.resolve()
  /** One after the other, or an older mux.yaml could be applied after a newer one. */
  function reload(): Promise<ReloadReport> {
    const next = last.then(() => readAndDefine(options))
    last = next.catch(() => undefined)
    return next
  }
  return async (order) => {
    switch (order.op) {
      case 'status':
        return options.status()
      case 'reload':
        return reload()
      case 'start':
        await reload()
        return supervisor.start(order.instance)
      case 'restart':
        await reload()
        return supervisor.restart(order.instance)
      case 'stop':
        // Not mux.yaml: while that is broken, an operator must still be able to stop what it runs.
        await closed.refresh()
        return supervisor.stop(order.instance)
      case 'keys':
        await options.reloadKeys()
        return { pid: process.pid }
      case 'known':
        return gateway?.known(order.users) ?? { raised: 0, closed: 0 }
      case 'hold':
        refuseHold(options, order.instance)
        gateway?.hold(order.instance, order.for)
        return { until: new Date(Date.now() + order.for).toISOString() }
      case 'release':
        return { released: gateway?.release(order.instance) ?? 0 }
      case 'accept': {
        const { host } = options.target
        const accepted = await acceptSigner(options.project, host, order.signer, order.key)
        await options.reloadKeys()
        return accepted
      }
      case 'retire': {
        const retired = await retireSigner(options.project, options.target.host, order.signer)
        await options.reloadKeys()
        return retired
      }
      case 'shutdown':
        options.shutdown()
        return { pid: process.pid }
      default:
        return order satisfies never
    }
  }
}

/** @throws {ControlError} `control_request_invalid`, `instance_not_found` */
function refuseHold({ gateway, supervisor }: OrdersOptions, instance: InstanceName): void {
  if (gateway === null)
    throw new ControlError('control_request_invalid', 'This mux has an edge of its own, and holds nothing.')
  if (supervisor.limitsOf(instance) === undefined)
    throw new ControlError('instance_not_found', `There is no instance ${instance} on this host.`)
}

async function readAndDefine(options: OrdersOptions): Promise<ReloadReport> {
  const config = await readOrRefuse(options.project)
  await bringInStep(options, config)
  const { pool, edge, host } = options.started
  // The name of new instances is read by whoever makes one.
  if (!isDeepStrictEqual([{ ...config.pool, name: pool.name }, config.edge, config.host], [pool, edge, host]))
    options.log({ event: 'waits_for_mux_up', changed: 'pool, edge or host', until: 'mux is started again' })
  return options.supervisor.define(config.instances)
}

/** Has the registry say of each instance where it is, and learns from it which of them are to stay stopped. */
export async function bringInStep(
  { registry, closed, target, log }: Pick<OrdersOptions, 'registry' | 'closed' | 'target' | 'log'>,
  config: ProjectConfig,
): Promise<void> {
  const names = await instancesHere(registry, config, target.host)
  const recorded = await recordInstances(registry, names, target)
  for (const instance of recorded) log({ event: 'instance_recorded', instance })
  // A supervisor has no token for Cloudflare.
  if (recorded.length > 0 && config.registry === 'kv') log({ event: 'kv_waits', until: 'mux registry push' })
  await closed.refresh()
}

async function readOrRefuse(project: Project): Promise<ProjectConfig> {
  try {
    return await readConfig(project)
  } catch (error) {
    const { message, hint, details } = toCliError(error)
    throw new ControlError('config_invalid', message, { hint, log: details, cause: error })
  }
}

import { type HostStatus, type InstanceName, LOCAL_HOST, LOCAL_ORIGIN, type Target } from '@mux/contract'
import { openSqliteRegistry, type RegistryStore } from '@mux/edge'
import {
  createSupervisor,
  type HandleOrder,
  type HostLock,
  HostLockedError,
  type LeaseSource,
  lockHost,
  serveControl,
  socketPath,
} from '@mux/instance'
import { closedInstances } from './closed-instances.ts'
import { type ListenAddress, listenText } from './config-values.ts'
import { sendOrder } from './control-client.ts'
import { CliError } from './errors.ts'
import type { EventLog } from './event-log.ts'
import { type Door, edgeFront, gatewayFront, openFront } from './front.ts'
import { type HostOverrides, hostRole } from './host-role.ts'
import type { HostSection } from './host-section.ts'
import { inheritedSocket } from './inherited-socket.ts'
import { type ProjectConfig, readConfig } from './mux-yaml.ts'
import { instancesHere } from './operations/find-place.ts'
import { endLimit, settleLimit } from './operations/order-limits.ts'
import { redirectUsers } from './operations/repair-registry.ts'
import { bringInStep, createOrders } from './orders.ts'
import { ensureStateDirectory, type Project } from './project.ts'

export interface EmbeddedOptions {
  project: Project
  version: string
  /** Of which the instances inherit a documented few. */
  environment: NodeJS.ProcessEnv
  log: EventLog
  /** Instead of the address in mux.yaml; neither counts when this process was started with a listening socket. */
  listen?: ListenAddress | undefined
  /** Instead of what mux.yaml says of the host that this is. */
  host?: Omit<HostOverrides, 'listen'> | undefined
}

/** mux, running in this process. */
export interface Embedded {
  url: string
  /** As which host it serves an edge elsewhere; undefined when it has one itself. */
  role: HostSection | undefined
  /** Resolves when the operator has given the order to end. */
  endOrdered: Promise<void>
  /** Milliseconds that {@link close} may take. */
  endLimit: number
  /**
   * Takes no more requests, lets those under way come to their end, ends every instance, and gives back what it held;
   * bounded by the limits in mux.yaml.
   * @param hurry when aborted, nothing is waited for any more; the instances are still ended with all their processes
   */
  close(hurry: AbortSignal): Promise<void>
}

/** How long an order under way may take to be answered when all else has ended, in milliseconds. */
const LAST_ANSWERS = 1_000
/** How long another supervisor of this project may take to say where it serves, in milliseconds. */
const HOLDER_PATIENCE = 1_000

/**
 * Composes registry, supervisor, edge and control server into one process, in the order in which they need each other.
 * When a step fails, what the steps before it began is ended, the last one first, and the failure is thrown.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { project, environment, log } = options
  const { directory } = project.state
  const since = new Date().toISOString()
  const endOrdered = Promise.withResolvers<void>()
  const config = await readConfig(project)
  if (config.runsNothing) {
    throw new CliError(
      'application_not_found',
      'There is nothing to run here: mux.yaml has no app and no instance.',
      {
        hint: 'How the hosts are that you work on from here: mux host list   To run something here, too, write app into mux.yaml.',
      },
    )
  }
  const role = hostRole(config, { ...options.host, listen: options.listen })
  const target: Target = role
    ? { host: role.name, origin: role.origin }
    : { host: LOCAL_HOST, origin: LOCAL_ORIGIN }
  const socket = inheritedSocket(environment, process.pid)
  const address = role?.listen ?? options.listen ?? config.edge.listen
  const listen: Door = socket === undefined ? address : { fd: socket }
  await ensureStateDirectory(project)

  const ends: (() => unknown)[] = []
  try {
    const lock = await lockProject(project)
    ends.unshift(() => lock.release())
    const registry = openSqliteRegistry(project.state.registry)
    ends.unshift(() => registry.close())
    const closed = closedInstances(registry, target.host, project)
    await bringInStep({ registry, closed, target, log }, config)
    await redirect({ registry, target, log }, config)
    const supervisor = createSupervisor({
      stateDirectory: directory,
      pool: config.pool,
      definitions: config.instances,
      closed: (name) => closed.find(name),
      environment,
      log,
    })
    // A taken port must not cost the boot of an instance, so the instances come after it, and the first requests wait.
    const opened = Promise.withResolvers<void>()
    let isOpen = false
    const source: LeaseSource = {
      claim: (name, claim) =>
        isOpen ? supervisor.claim(name, claim) : opened.promise.then(() => supervisor.claim(name, claim)),
    }
    const ordersReady = Promise.withResolvers<HandleOrder>()
    const handleLater: HandleOrder = async (order) => (await ordersReady.promise)(order)
    const holding = (name: InstanceName) => supervisor.limitsOf(name)
    const orderly = { holding, tls: role?.tls ?? null, handle: handleLater, environment }
    const parts = { project, config, listen, target, registry, source, log, ...orderly }
    const front = await (role ? gatewayFront(parts) : edgeFront(parts))
    const url = await openFront(front, listen, config.edge.behindProxy)
    ends.unshift(() => front.close(0))
    if (socket !== undefined) log({ event: 'socket_inherited', url, instead_of: listenText(address) })
    ends.unshift(() => supervisor.close(AbortSignal.abort()))
    await supervisor.open()
    isOpen = true
    opened.resolve()

    const status = (): HostStatus => ({
      host: target.host,
      pid: process.pid,
      since,
      version: options.version,
      now: new Date().toISOString(),
      url,
      ...supervisor.status(),
    })
    const shutdown = () => endOrdered.resolve()
    const handle = createOrders({
      project,
      target,
      started: config,
      registry,
      closed,
      supervisor,
      status,
      shutdown,
      reloadKeys: () => front.reloadKeys(),
      gateway: front.gateway,
      log,
    })
    ordersReady.resolve(handle)
    const control = await serveControl({ socketPath: socketPath(directory, 'control.sock'), handle, log })
    ends.unshift(() => control.close(0))

    const close = async (hurry: AbortSignal): Promise<void> => {
      log({ event: 'ending' })
      try {
        // First those who come, then what serves them: a request that is on its way still finds its instance.
        await Promise.race([front.settle(settleLimit(config.instances)), aborted(hurry)])
        const answered = front.close(endLimit(config.instances))
        await supervisor.close(hurry)
        await Promise.race([answered, aborted(hurry)])
        await control.close(hurry.aborted ? 0 : LAST_ANSWERS)
      } finally {
        registry.close()
        lock.release()
        log({ event: 'down' })
      }
    }
    log({ event: 'up', url, host: target.host, instances: config.instances.length, version: options.version })
    return { url, role, endOrdered: endOrdered.promise, endLimit: endLimit(config.instances), close }
  } catch (error) {
    for (const end of ends) {
      try {
        await end()
      } catch (another) {
        // What went wrong first is what the operator has to know.
        log({ event: 'not_ended', error: another })
      }
    }
    throw error
  }
}

/** Puts right what an interrupted command, or a change by hand, has left of where users are sent. */
async function redirect(
  { registry, target, log }: { registry: RegistryStore; target: Target; log: EventLog },
  config: ProjectConfig,
): Promise<void> {
  const names = await instancesHere(registry, config, target.host)
  const { users, unusable } = await redirectUsers(registry, names, target, Date.now())
  for (const user of users) log({ event: 'user_redirected', user, host: target.host })
  if (users.length > 0 && config.registry === 'kv') log({ event: 'kv_waits', until: 'mux registry push' })
  for (const { key, message } of unusable) log({ event: 'record_unusable', key, message })
}

/** @throws {CliError} `already_running`, with who has it */
async function lockProject({ state }: Project): Promise<HostLock> {
  try {
    return lockHost(state.directory)
  } catch (error) {
    if (!(error instanceof HostLockedError)) throw error
    const status = await sendOrder(state.controlSocket, { op: 'status' }, HOLDER_PATIENCE).catch(
      () => undefined,
    )
    const pid = status?.pid ?? error.holder?.pid
    const holder = [pid === undefined ? undefined : `process ${pid}`, status?.url].filter(Boolean).join(', ')
    throw new CliError('already_running', `mux runs here already${holder === '' ? '' : `: ${holder}`}.`, {
      hint: 'See what it does: mux status   To end it: mux down',
      cause: error,
    })
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

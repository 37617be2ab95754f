import { PassThrough, type Readable, type Writable } from 'node:stream'
import {
  type CarriedInstance,
  type ControlOp,
  type ControlResult,
  decodeCarriedInstance,
  type HostName,
  type InstanceName,
  type InstanceStatus,
  type KnownUser,
  type Target,
} from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { type OrderFor, sendOrder } from '../control-client.ts'
import { CliError } from '../errors.ts'
import { projectRole } from '../project-role.ts'
import type { Project } from '../project.ts'
import { answerOfHost, runForOutput } from '../remote-command.ts'
import { orderHost, type RemoteHost } from '../remote-host.ts'
import { exportData, importData } from './carry-data.ts'
import { carriedInstance, receiveInstance } from './carry-instance.ts'
import { requireRemote } from './find-place.ts'
import { removeHere } from './remove-instance.ts'
import { inParts } from './tell-of-users.ts'

/** How long an end of a move takes whatever is done there at once, in milliseconds. */
const AT_ONCE = 10_000
/** How long a start or a stop may take, in milliseconds: what its limits commonly are, and more. */
const AT_LENGTH = 15 * 60_000

/** One end of a move: a host elsewhere, or this project, which is one as well. The same is done in both. */
export interface MovePlace {
  target: Target
  /** How it is there; undefined: there is none. */
  status: () => Promise<InstanceStatus | undefined>
  /** Holds the requests that come for it for so many milliseconds. */
  hold: (milliseconds: number) => Promise<void>
  /** Lets them go on. */
  release: () => Promise<void>
  /** Ends what runs of it; the next request that is not held would start it again. */
  stop: () => Promise<void>
  /** Has it run again, as before. */
  wake: () => Promise<void>
  /** Refuses who is sent there by older records. */
  know: (users: readonly KnownUser[]) => Promise<void>
  definition: () => Promise<CarriedInstance>
  /** Defines the instance, kept stopped. */
  receive: (carried: CarriedInstance) => Promise<void>
  /** Writes its data, and fails when that was not all. */
  send: (to: Writable, signal: AbortSignal) => Promise<void>
  /** Takes its data whole, or none. */
  take: (from: Readable, signal: AbortSignal) => Promise<void>
  /** Lets it run, and returns when it is proven to. */
  start: () => Promise<void>
  /** Keeps it stopped whatever comes. */
  retire: (message: string) => Promise<void>
  /** Takes it out with its data; it may be gone already. */
  remove: () => Promise<void>
}

/** The end of a move where an instance is. */
export async function placeAt(
  project: Project,
  registry: RegistryStore,
  host: HostName,
  name: InstanceName,
): Promise<MovePlace> {
  const record = await registry.read('host', host)
  if (record === undefined)
    throw new CliError('host_not_found', `${name} is on ${host}, which is no host that is known.`, {
      hint: 'An instance of a mux with an edge of its own moves when that is a host: mux host add NAME, mux host join NAME',
    })
  const target = { host, origin: record.origin }
  return (await projectRole(project)).host === host
    ? placeHere(project, registry, target, name)
    : placeThere(await requireRemote(project, registry, host), target, name)
}

type Order<Op extends ControlOp> = OrderFor<Op> & { op: Op }
/** Gives an order to the supervisor of one end. */
type Give = <Op extends ControlOp>(order: Order<Op>, timeout: number) => Promise<ControlResult<Op>>

/** What a supervisor does by itself, wherever it is. */
function ordersTo(
  give: Give,
  name: InstanceName,
): Pick<MovePlace, 'status' | 'hold' | 'release' | 'stop' | 'wake' | 'know'> {
  return {
    status: async () => {
      const { instances } = await give({ op: 'status' }, AT_ONCE)
      return instances.find((instance) => instance.name === name)
    },
    hold: async (time) => void (await give({ op: 'hold', instance: name, for: time }, AT_ONCE)),
    release: async () => void (await give({ op: 'release', instance: name }, AT_ONCE)),
    stop: async () => void (await give({ op: 'stop', instance: name }, AT_LENGTH)),
    wake: async () => void (await give({ op: 'start', instance: name }, AT_LENGTH)),
    know: (users) => inParts(users, async (part) => void (await give({ op: 'known', users: part }, AT_ONCE))),
  }
}

function placeThere(host: RemoteHost, target: Target, name: InstanceName): MovePlace {
  const give = <Op extends ControlOp>(order: Order<Op>, timeout: number) =>
    orderHost<Op>(host, order, timeout)
  const run = (verb: string, ...more: string[]) => answerOfHost(host, ['instance', verb, name, ...more])
  return {
    target,
    ...ordersTo(give, name),
    async definition() {
      const carried = decodeCarriedInstance(
        await runForOutput(host, ['instance', 'export', name, '--definition']),
      )
      if (carried) return carried
      throw new CliError('internal', `What ${host.name} says of ${name} is of another version of mux.`)
    },
    receive: async (carried) =>
      void (await answerOfHost(host, ['instance', 'import', name, '--definition'], {
        input: JSON.stringify(carried),
      })),
    send: async (to, signal) => {
      await runForOutput(host, ['instance', 'export', name], { stdout: to, signal })
    },
    take: async (from, signal) =>
      void (await answerOfHost(host, ['instance', 'import', name], { input: from, signal })),
    start: async () => void (await run('start')),
    retire: async (message) => void (await run('stop', '--message', message)),
    remove: async () => void (await run('remove', '--purge', '--yes').catch(unlessGone)),
  }
}

function placeHere(project: Project, registry: RegistryStore, target: Target, name: InstanceName): MovePlace {
  const { controlSocket } = project.state
  const give = <Op extends ControlOp>(order: Order<Op>, timeout: number) =>
    sendOrder<Op>(controlSocket, order, timeout)
  const orders = ordersTo(give, name)
  return {
    target,
    ...orders,
    definition: () => carriedInstance(project, name),
    receive: (carried) => receiveInstance(project, registry, name, carried),
    send: async (to, signal) => void (await exportData(project, name, to, signal)),
    take: async (from, signal) => void (await importData(project, name, from, signal)),
    // Let by the note of its move, though the registry says it to be elsewhere.
    start: orders.wake,
    // What the registry says to be elsewhere does not run here: it has only to look.
    retire: orders.stop,
    remove: () => removeHere(project, name).catch(unlessGone),
  }
}

function unlessGone(error: unknown): void {
  if (!(error instanceof CliError && error.code === 'instance_not_found')) throw error
}

/**
 * Carries the data of an instance from one end to the other. They are sent on only when the first has said that they are whole.
 */
export async function carryData(from: MovePlace, to: MovePlace, signal: AbortSignal): Promise<void> {
  const way = new PassThrough()
  const sent = from.send(way, signal).then(
    () => void way.end(),
    (error: unknown) => {
      way.destroy(error as Error)
      throw error
    },
  )
  // What has failed first is told: the receiver only sees that it breaks off.
  const [first, second] = await Promise.allSettled([
    sent,
    to.take(way, signal).catch((error: unknown) => {
      way.destroy()
      throw error
    }),
  ])
  if (first.status === 'rejected' && second.status === 'rejected' && isBrokenOff(first.reason))
    throw second.reason
  if (first.status === 'rejected') throw first.reason
  if (second.status === 'rejected') throw second.reason
}

function isBrokenOff(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'
}

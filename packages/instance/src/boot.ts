import { randomBytes } from 'node:crypto'
import { fchownSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { addressText, type Ports, socketPath } from './addresses.ts'
import { makeGroup, placeOfGroup } from './cgroup.ts'
import { ChildProcess } from './child-process.ts'
import type { InstanceDefinition } from './definition.ts'
import { ownSocket, prepareDwelling, reachSocket } from './dwelling.ts'
import { Generation } from './generation.ts'
import type { Address } from './lease.ts'
import type { Preparation } from './launcher.ts'
import { holderOf, portsOf } from './listeners.ts'
import type { LogKeeper } from './log-keeper.ts'
import type { Output } from './output.ts'
import { preparationOf } from './preparation.ts'
import { untilReady } from './probe.ts'
import { findTool } from './program.ts'
import { type Exit, exitText } from './running-process.ts'
import { readSecrets } from './secrets.ts'
import type { SettingsHistory } from './settings-history.ts'
import { addressKind, type LaunchPlan, launchPlan, SettingsError } from './settings.ts'
import { Tenancy } from './tenancy.ts'

/** How often a generation is started anew when somebody else has taken the address that it was given. */
const ADDRESS_ATTEMPTS = 3
const LOG_LINES = 20

/** Where generations live, and what they share. */
export interface Habitat {
  stateDirectory: string
  environment: Readonly<NodeJS.ProcessEnv>
  ports: Ports
  logs: LogKeeper
  history: SettingsHistory
  /** When aborted, nothing is waited for any more. */
  hurry: AbortSignal
}

/** Why a generation did not become ready: one sentence for the operator, and its last words. */
export class BootError extends Error {
  override readonly name = 'BootError'
  readonly log: readonly string[]
  /** False when trying again is pointless until somebody has changed something. */
  readonly passing: boolean
  /** True when it still ran, but was not ready within `limits.start`. */
  readonly overdue: boolean
  constructor(
    message: string,
    options: { log?: readonly string[]; passing?: boolean; overdue?: boolean; cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.log = options.log ?? []
    this.passing = options.passing ?? true
    this.overdue = options.overdue ?? false
  }
}

export interface BootOrder {
  definition: InstanceDefinition
  number: number
  /** Gives the boot up: what was started is ended, and the signal's reason is thrown. */
  signal: AbortSignal
  /** Told of every process that is started, before it is ready. */
  launched: (generation: Generation) => void
}

/**
 * Starts one generation and waits until it is ready, up to `limits.start`.
 * @throws {BootError} after everything that was started has ended again
 */
export async function boot(habitat: Habitat, order: BootOrder): Promise<Generation> {
  for (let attempt = 1; ; attempt++) {
    order.signal.throwIfAborted()
    const { generation, output, listensAt, secrets } = await launch(habitat, order).catch(asBootError)
    order.launched(generation)
    let obstacle = await prove(generation, listensAt, order).catch(unseen)
    if (obstacle === undefined) {
      // Before it can be taken over by another supervisor, which knows nothing of its secrets.
      await habitat.history.note(order.definition, secrets)
      if (!generation.exit) {
        generation.markReady()
        return generation
      }
      obstacle = await afterExit(generation, generation.exit).catch(unseen)
    }
    await generation.end()
    if (order.signal.aborted || (obstacle.addressTaken && attempt < ADDRESS_ATTEMPTS)) continue
    const { why, overdue = false } = obstacle
    throw new BootError(why, { log: await output.tail(LOG_LINES), overdue })
  }
}

interface Launched {
  generation: Generation
  output: Output
  /** Where it was told to listen; its socket may be reached under another name. */
  listensAt: Address
  /** The text of each secret among its settings. */
  secrets: Readonly<Record<string, string>>
}

async function launch(habitat: Habitat, { definition, number, signal }: BootOrder): Promise<Launched> {
  const { stateDirectory, environment, ports, logs, hurry } = habitat
  const { name: instance } = definition
  mkdirSync(join(stateDirectory, 'run'), { recursive: true, mode: 0o700 })
  const secrets = readSecrets(definition)
  const marker = `${instance}.${number}.${randomBytes(16).toString('hex')}`
  const address = await findAddress(stateDirectory, definition, number, ports)
  const since = new Date().toISOString()
  // It takes a launcher to get into one.
  const place = findTool('bash') ? placeOfGroup(marker) : undefined
  const tenancy = new Tenancy(habitat, {
    instance,
    number,
    pid: null,
    startTime: null,
    marker,
    cgroup: place ?? null,
    address,
    takeover: { stage: 'starting', since, stateDirectory, degraded: null, definition },
  })
  let process: ChildProcess
  let output: Output | undefined
  let listensAt: Address
  try {
    tenancy.write()
    const dwelling = await prepareDwelling(stateDirectory, definition, marker, signal)
    listensAt = 'port' in address ? address : ownSocket(dwelling, address)
    const plan = launchPlan(
      definition,
      { address: listensAt, data: dwelling.data, marker, secrets },
      environment,
    )
    const cgroup = place === undefined ? undefined : makeGroup(place, definition.limits)
    const preparation = await preparationOf(definition, dwelling, stateDirectory, cgroup)
    output = await logs.open(instance, number)
    process = await start(plan, instance, preparation, output)
  } catch (error) {
    tenancy.vacate()
    // What a launcher has to say of it, besides the field, is in the log.
    if (output && error instanceof SettingsError) throw unusable(error, await output.tail(LOG_LINES))
    throw error
  }
  const generation = new Generation({ definition, process, tenancy, hurry })
  try {
    tenancy.write(generation.identity)
  } catch (error) {
    await generation.end()
    throw error
  }
  return { generation, output, listensAt, secrets }
}

async function start(
  plan: LaunchPlan,
  instance: string,
  preparation: Preparation,
  output: Output,
): Promise<ChildProcess> {
  const { account } = preparation
  try {
    // Some programs open their output again, by /dev/stderr.
    if (account) fchownSync(output.descriptor, account.uid, account.gid)
    return await ChildProcess.launch(plan, instance, output.descriptor, preparation)
  } finally {
    output.release()
  }
}

async function findAddress(
  stateDirectory: string,
  definition: InstanceDefinition,
  number: number,
  ports: Ports,
): Promise<Address> {
  if (addressKind(definition) === 'port') return { port: await ports.take() }
  const path = socketPath(stateDirectory, `${definition.name}.${number}.sock`)
  // A leftover would make the application fail to bind.
  rmSync(path, { force: true })
  return { socketPath: path }
}

function asBootError(error: unknown): never {
  if (error instanceof BootError) throw error
  if (error instanceof SettingsError) throw unusable(error, [])
  const { code } = error as NodeJS.ErrnoException
  throw new BootError(`It could not be started (${code ?? (error as Error).message}).`, { cause: error })
}

function unusable(error: SettingsError, log: readonly string[]): BootError {
  return new BootError(error.message, { log, passing: false, cause: error })
}

interface Obstacle {
  why: string
  addressTaken?: boolean
  overdue?: boolean
}

/** As when no descriptor is left to look with: what was started has to end all the same. */
function unseen(error: unknown): Obstacle {
  const { code, message } = error as NodeJS.ErrnoException
  return { why: `What became of it could not be seen (${code ?? message}).` }
}

/** Ready, or dead, or overdue, or given up: whichever comes first. */
async function prove(
  generation: Generation,
  listensAt: Address,
  { definition, signal }: BootOrder,
): Promise<Obstacle | undefined> {
  const { address } = generation
  const settled = new AbortController()
  const limit = AbortSignal.timeout(definition.limits.start)
  const probing = untilReady(
    address,
    definition.health,
    AbortSignal.any([signal, limit, settled.signal]),
    () => reachSocket(listensAt, address),
  )
  try {
    const first = await Promise.race([probing, generation.exited])
    if (!('ready' in first)) return await afterExit(generation, first)
    if (first.ready) return await imposter(generation)
    const where = await elsewhere(generation)
    const seconds = definition.limits.start / 1000
    return {
      overdue: true,
      why: `It was not ready within ${seconds} s: ${first.why} (${addressText(generation.address)}).${where}`,
    }
  } finally {
    settled.abort()
  }
}

async function afterExit({ address, identity }: Generation, exit: Exit): Promise<Obstacle> {
  const addressTaken = (await holderOf(address, identity)) === 'stranger'
  const hint = exit.code === 0 ? '; its command has to stay in the foreground' : ''
  return { why: `It ${exitText(exit)} before it was ready${hint}.`, addressTaken }
}

/** Somebody else who answers at the address must not be taken for the instance. */
async function imposter({ address, identity }: Generation): Promise<Obstacle | undefined> {
  if ((await holderOf(address, identity)) !== 'stranger') return undefined
  const which = 'port' in address ? `Port ${address.port}` : `The socket ${address.socketPath}`
  return { why: `${which}, which it was given, is answered by another process.`, addressTaken: true }
}

async function elsewhere({ address, identity }: Generation): Promise<string> {
  if (!('port' in address)) return ''
  const ports = (await portsOf(identity)).filter((port) => port !== address.port)
  return ports.length === 0 ? '' : ` It listens on port ${ports.join(', ')} instead of {port}.`
}

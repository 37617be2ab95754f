import { isDeepStrictEqual } from 'node:util'
import type { HostName, InstanceName, InstanceRecord, InstanceStatus } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { CliError, toCliError } from '../errors.ts'
import { forgetMove, type Move, readMove, writeMove } from '../move-journal.ts'
import { readConfig } from '../mux-yaml.ts'
import { withLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { withRegistry } from '../registry.ts'
import { placeForNew } from './find-place.ts'
import { type Led, leadBack, leadTo } from './lead-users.ts'
import { carryData, type MovePlace, placeAt } from './move-place.ts'
import { unfinished } from './purge-moved.ts'

/**
 * How long requests are held at a time, and how often that is renewed: whoever moves it may be gone, and then it serves again where
 * it was. And for how long when its users are led elsewhere: Workers KV has the new records everywhere by then. In milliseconds.
 */
const HOLD = { each: 60_000, renewed: 20_000, leading: 5 * 60_000 }

export interface MoveOrder {
  instance: InstanceName
  to: HostName
  /** Told of each step. */
  tell: (step: string) => void
  /** Gives it up, as long as it serves where it was. */
  signal: AbortSignal
}

export interface MoveResult {
  instance: InstanceName
  from: HostName
  to: HostName
  /** False: it was there. */
  changed: boolean
  /** Who was led there. */
  users: string[]
  /** How long new requests were held, in milliseconds. */
  held: number
}

/** One move, with both its ends. */
interface Way {
  name: InstanceName
  from: MovePlace
  to: MovePlace
  record: InstanceRecord
}

/**
 * Moves an instance to another host, with settings, secrets and data. Until its users are led there it serves where it was, or does
 * so again when something fails; from then on, it serves there. What is left where it was is kept, and does not run.
 * @throws {CliError} as what has failed; `move_unfinished` when another one has to be brought to its end first
 */
export async function moveInstance(project: Project, order: MoveOrder): Promise<MoveResult> {
  return withLock(project, 'move', () =>
    // What is changed is carried on step by step, below.
    withRegistry(project, (registry) => move(project, registry, order), { carry: 'nowhere' }),
  )
}

async function move(project: Project, registry: RegistryStore, order: MoveOrder): Promise<MoveResult> {
  const { instance: name, to } = order
  const record = await registry.read('instance', name)
  if (record === undefined) throw noSuchInstance(name)
  const begun = await readMove(project, name)
  if (begun) {
    const done = await takeUp(project, registry, order, begun, record)
    if (done) return done
  } else if (record.host === to) return { instance: name, from: to, to, changed: false, users: [], held: 0 }

  const way: Way = {
    name,
    record,
    from: await placeAt(project, registry, record.host, name),
    to: await newPlace(project, registry, to, name),
  }
  const status = await way.from.status()
  if ((await way.to.status()) !== undefined)
    throw new CliError(
      'instance_exists',
      `There is an instance ${name} on ${to} already. Nothing was changed.`,
      {
        hint: `Where nothing needs it any more, remove it on that machine: mux instance remove ${name} --purge`,
      },
    )
  const note = (phase: Move['phase'], mark: string) =>
    writeMove(project, name, { phase, from: record.host, to, mark })
  await note('copying', '')
  const { mark, since } = await copy(way, order, status, note).catch((error: unknown) =>
    giveUp(project, way, status, error),
  )
  const led = await lead(project, registry, way, mark, status, order.tell)
  await finish(project, way, led, mark, order.tell)
  return { instance: name, from: record.host, to, changed: true, users: led.users, held: since() }
}

/**
 * Takes up a move that was killed.
 * @returns undefined when one is to begin now
 */
async function takeUp(
  project: Project,
  registry: RegistryStore,
  { instance: name, to, tell }: MoveOrder,
  begun: Move,
  record: InstanceRecord,
): Promise<MoveResult | undefined> {
  const isThere = record.host === begun.to
  // It was removed, and added somewhere else: what had moved was another one.
  if (begun.phase === 'moved' && !isThere) {
    await forgetMove(project, name)
    return undefined
  }
  if (isThere && (begun.phase === 'leading' || begun.phase === 'moved')) {
    if (begun.to !== to) throw unfinished(name, begun)
    if (begun.phase === 'moved')
      return { instance: name, from: begun.from, to, changed: false, users: [], held: 0 }
    tell(`Taking up the move of ${name} from ${begun.from}.`)
    const from = await placeAt(project, registry, begun.from, name)
    const way = { name, record, from, to: await placeAt(project, registry, to, name) }
    const led = await leadTo(project, name, way.to.target, tell)
    await finish(project, way, led, begun.mark, tell)
    return { instance: name, from: begun.from, to, changed: true, users: led.users, held: 0 }
  }
  // It serves where it was: what has come to the other end is from before it did so again. Unless it was removed and added there.
  if (!isThere) {
    tell(`Removing what an interrupted move has left on ${begun.to}.`)
    await (await placeAt(project, registry, begun.to, name)).remove()
  }
  await forgetMove(project, name)
  return undefined
}

interface Copied {
  /** By what it is seen that it has run since. */
  mark: string
  /** Milliseconds for which requests have been held. */
  since: () => number
}

/** Everything that can fail while it still serves where it was, or can at once. */
async function copy(
  { name, from, to, record }: Way,
  { tell, signal }: MoveOrder,
  status: InstanceStatus | undefined,
  note: (phase: Move['phase'], mark: string) => Promise<void>,
): Promise<Copied> {
  tell(`Defining ${name} on ${to.target.host}, with its settings and secrets.`)
  const carried = await from.definition()
  await to.receive(carried)
  signal.throwIfAborted()

  tell(`Holding its requests on ${from.target.host}, and stopping it when those under way are answered.`)
  const began = performance.now()
  const holding = await keepHolding(from, HOLD.each)
  try {
    const stop = AbortSignal.any([signal, holding.lost])
    if (status?.generation) await from.stop()
    const mark = markOf(await from.status())
    tell('Copying its data.')
    await carryData(from, to, stop)
    if (record.state === 'open') {
      tell(`Starting it on ${to.target.host}.`)
      await note('starting', mark)
      await to.start()
    } else await to.retire(record.message ?? '')
    stop.throwIfAborted()
    holding.end()
    await from.hold(HOLD.leading)
    if (markOf(await from.status()) !== mark)
      throw new CliError(
        'instance_running',
        `${name} was started on ${from.target.host} while it was moved.`,
        AGAIN,
      )
    if (!isDeepStrictEqual(await from.definition(), carried))
      throw new CliError('locked', `The settings of ${name} were changed while it was moved.`, AGAIN)
    signal.throwIfAborted()
    return { mark, since: () => Math.round(performance.now() - began) }
  } finally {
    holding.end()
  }
}

const AGAIN = 'Give the same command again.'

/** Holds requests at an instance until that is ended, or cannot be renewed; and for so many milliseconds more. */
async function keepHolding(place: MovePlace, time: number): Promise<{ lost: AbortSignal; end: () => void }> {
  const lost = new AbortController()
  await place.hold(time)
  const timer = setInterval(() => {
    place.hold(time).catch((error: unknown) => lost.abort(error))
  }, HOLD.renewed)
  return { lost: lost.signal, end: () => clearInterval(timer) }
}

/** Has the users be led to the other end; nothing interrupts that. Where it does not reach KV, they stay. */
async function lead(
  project: Project,
  registry: RegistryStore,
  way: Way,
  mark: string,
  status: InstanceStatus | undefined,
  tell: MoveOrder['tell'],
): Promise<Led> {
  const { name, from, to } = way
  // KV may take its time, and nobody may be served by what has been copied already.
  const holding = await keepHolding(from, HOLD.leading).catch((error: unknown) =>
    giveUp(project, way, status, error),
  )
  await writeMove(project, name, { phase: 'leading', from: from.target.host, to: to.target.host, mark })
  const led = await leadTo(project, name, to.target, tell)
    .catch(async (error: unknown) => {
      const isLed = (await registry.read('instance', name))?.host === to.target.host
      return isLed ? Promise.reject(error) : giveUp(project, way, status, error)
    })
    .finally(holding.end)
  if (led.behind === null) return led
  const { unfenced, publish } = await leadBack(project, name, from.target, (users) => to.know(users))
  const risk =
    unfenced === null
      ? []
      : [`Till it is taken back, ${to.target.host} may serve those whom Workers KV sends there: ${unfenced}`]
  await giveUp(project, way, status, led.behind, risk).catch((error: unknown) => {
    return publish().then(
      () => Promise.reject(error),
      () => Promise.reject(error),
    )
  })
  throw led.behind
}

/**
 * Has it serve where it was, and takes back what has come to the other end.
 * @param left what is to be told besides
 */
async function giveUp(
  project: Project,
  { name, from, to }: Way,
  status: InstanceStatus | undefined,
  cause: unknown,
  left: string[] = [],
): Promise<never> {
  const attempt = async (task: () => Promise<unknown>, otherwise: string) => {
    try {
      await task()
    } catch (error) {
      left.push(`${otherwise}: ${toCliError(error).message}`)
    }
  }
  await attempt(() => from.release(), `Its requests are held on ${from.target.host} for a minute`)
  if (status?.generation)
    await attempt(() => from.wake(), `It does not run on ${from.target.host} before its next request`)
  await attempt(async () => {
    await to.remove()
    await forgetMove(project, name)
  }, `What has come to ${to.target.host} is still there; the same command removes it`)
  const { code, message, hint, details } = toCliError(cause)
  throw new CliError(code, `${message} ${name} stays on ${from.target.host}.`, {
    hint,
    details: [...details, ...left],
    cause,
  })
}

/** Lets those who wait go on, to the other end, and keeps what is left from running. */
async function finish(
  project: Project,
  { name, from, to }: Way,
  led: Led,
  mark: string,
  tell: (step: string) => void,
): Promise<void> {
  const { host } = from.target
  if (led.behind !== null) throw led.behind
  const missed = led.told.find((one) => one.host === host)?.problem ?? null
  if (missed !== null) throw untoldEnd(name, host, to.target.host, missed)
  try {
    const isSame = markOf(await from.status()) === mark
    // Before what was held goes on: what has no user, and so no version by which it is refused, would start it here.
    await from.retire(`It was moved to ${to.target.host}.`)
    await from.release()
    if (!isSame)
      tell(
        `${name} ran on ${host} after its data were copied: what was written there since is kept there alone.`,
      )
  } catch (error) {
    throw untoldEnd(name, host, to.target.host, toCliError(error).message)
  }
  await writeMove(project, name, { phase: 'moved', from: host, to: to.target.host, mark })
}

function markOf(status: InstanceStatus | undefined): string {
  return JSON.stringify([status?.generation?.number, status?.lastExit?.at, status?.crashes])
}

async function newPlace(
  project: Project,
  registry: RegistryStore,
  host: HostName,
  name: InstanceName,
): Promise<MovePlace> {
  await placeForNew(registry, await readConfig(project), host)
  return placeAt(project, registry, host, name)
}

function noSuchInstance(name: InstanceName): CliError {
  return new CliError(
    'instance_not_found',
    `There is no instance ${name}.`,
    'See what there is: mux instance list',
  )
}

function untoldEnd(name: InstanceName, from: HostName, to: HostName, problem: string): CliError {
  return new CliError('host_untold', `${name} is on ${to}, and ${from} could not be told: ${problem}`, {
    hint: `Within a minute or so no edge sends anybody there by older records; till then it may serve them. When it is back: mux instance move ${name} --host ${to}`,
  })
}

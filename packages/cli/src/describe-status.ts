import type { InstanceStatus } from '@mux/contract'
import * as render from './render.ts'

/** For how long a crash is worth telling that did no harm since, in milliseconds: mux has forgotten it by then, too. */
const RECENT = 10 * 60_000

/** What an operator should know of an instance before anything else, and the command that is next. */
export interface Concern {
  /** False: somebody wanted it so. */
  grave: boolean
  what: string
  next: string
}

/** Undefined: it is as it should be. */
export function concernOf(status: InstanceStatus, now = Date.now()): Concern | undefined {
  const { name, state, generation, reason, nextTry } = status
  const grave = (what: string, next: string): Concern => ({ grave: true, what, next })
  const tries = nextTry === null ? '' : ` The next try is ${render.ahead(nextTry, now)}.`
  switch (state) {
    case 'failed':
      return grave(`${reason ?? 'It does not start.'}${tries}`, `mux instance logs ${name}`)
    case 'degraded':
      return grave(
        `${reason ?? 'Its last change failed.'} What ran before serves on.`,
        // Where it has the settings that it runs with, nothing needs to be wrong any more.
        `mux instance ${generation?.outdated ? 'rollback' : 'restart'} ${name}`,
      )
    case 'disabled':
      return { grave: false, what: `Kept stopped. ${reason ?? ''}`, next: `mux instance start ${name}` }
    case 'starting':
    case 'ready':
    case 'draining':
    case 'stopped':
      // One that is starting, and not again, waits for its turn.
      if (reason !== null && (state !== 'starting' || nextTry !== null || hasJustCrashed(status, now)))
        return grave(`${reason}${tries}`, `mux instance logs ${name}`)
      if (hasJustCrashed(status, now)) {
        const times = status.crashes === 1 ? 'once' : `${status.crashes} times`
        return grave(
          `It crashed ${times}, last ${render.age(status.lastExit!.at, now)} ago: ${how(status.lastExit!)}.`,
          `mux instance logs ${name}`,
        )
      }
      return generation?.outdated
        ? {
            grave: false,
            what: 'It runs with settings that have changed since.',
            next: `mux instance restart ${name}`,
          }
        : undefined
    default:
      return state satisfies never
  }
}

/** The same as labels and their values, with a reason that concerns nobody; none when all is well. */
export function concernRows(
  status: InstanceStatus,
): [label: string, value: string, format?: render.Format][] {
  const concern = concernOf(status)
  if (concern === undefined) return status.reason === null ? [] : [['reason', status.reason]]
  return [
    ['reason', concern.what, concern.grave ? 'red' : 'yellow'],
    ['next', concern.next],
  ]
}

function hasJustCrashed({ crashes, lastExit }: InstanceStatus, now: number): boolean {
  return crashes > 0 && lastExit?.by === 'crash' && now - Date.parse(lastExit.at) < RECENT
}

/** All about one instance, as labels and their values. */
export function describeStatus(status: InstanceStatus, now = Date.now()): [label: string, value: string][] {
  const { generation, inFlight, waiting, idleStop, lastExit, nextTry, crashes } = status
  return [
    ...(generation === null
      ? []
      : ([
          ['process', `${generation.pid}, generation ${generation.number}, ${generation.address}`],
          ['since', ago(generation.since, now)],
        ] as [string, string][])),
    ['active', counted(inFlight, 'request or open socket', 'requests and open sockets')],
    ['held', counted(waiting, 'request', 'requests')],
    ['last activity', lastActivity(status, now)],
    ...row('idle stop', idleStop, `${moment(idleStop, now)}, if nobody uses it until then`),
    ['crashes', String(crashes)],
    ...row('last exit', lastExit, lastExit === null ? '' : `${outcome(lastExit)}, ${ago(lastExit.at, now)}`),
    ...row('next try', nextTry, moment(nextTry, now)),
  ]
}

function row(label: string, there: unknown, value: string): [string, string][] {
  return there === null ? [] : [[label, value]]
}

function lastActivity({ lastActivity: at, lastActivityBy: by }: InstanceStatus, now: number): string {
  if (at === null) return 'none yet'
  return `${ago(at, now)}${by === null ? '' : `, ${ACTIVITY[by]}`}`
}

const ACTIVITY = { request: 'a request', upload: 'an upload', socket: 'a WebSocket' }

type Exit = NonNullable<InstanceStatus['lastExit']>

function outcome(exit: Exit): string {
  return `${how(exit)}, ${exit.by === 'us' ? 'ended by mux' : 'crashed'}`
}

function how({ code, signal }: Exit): string {
  return signal ?? (code === null ? 'nobody knows how' : `code ${code}`)
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`
}

function ago(at: string, now: number): string {
  return `${render.age(at, now)} ago (${render.clock(at, now)})`
}

function moment(at: string | null, now: number): string {
  return at === null ? '' : `${render.ahead(at, now)} (${render.clock(at, now)})`
}

import * as v from 'valibot'
import { parseInstanceName, parseUserName, type UserName } from './names.ts'

/**
 * The control API of a host: one `POST` of a request to {@link CONTROL_PATH}, one reply, both JSON, over HTTP on the
 * Unix socket `.mux/run/control.sock` (mode 0600: whoever may open it may give orders), and at the gateway of the host
 * for who signs with its control key (see `ControlledRequest`).
 */
export const CONTROL_PATH = '/_mux/control'
/** The longest request body that is read, in bytes. */
export const CONTROL_MAX_BODY = 64 * 1024

const instance = v.pipe(
  v.string(),
  v.transform(parseInstanceName),
  v.check((name) => name !== undefined, 'not the name of an instance'),
  v.transform((name) => name!),
)

const user = v.pipe(
  v.string(),
  v.transform(parseUserName),
  v.check((name) => name !== undefined, 'not the name of a user'),
  v.transform((name) => name!),
)

/** The least version of a user's record that is good. */
export interface KnownUser {
  name: UserName
  version: number
  /**
   * True when nobody may have anything of theirs any more, as after a removal: all that is under way is ended at once. Else
   * they only have to come again: WebSockets and streams of events end at once, and what comes to an end by itself has
   * half a minute for that.
   */
  gone?: boolean | undefined
}

/** How many users one order can tell of: what it is told in fits {@link CONTROL_MAX_BODY} with names of any length. */
export const KNOWN_AT_ONCE = 500
/** The longest time that one order holds requests for, in milliseconds. */
export const HOLD_MAX = 15 * 60_000

const knownUsers: v.GenericSchema<unknown, KnownUser[]> = v.pipe(
  v.array(
    v.strictObject({
      name: user,
      version: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
      gone: v.optional(v.boolean()),
    }),
  ),
  v.maxLength(KNOWN_AT_ONCE),
)

/** Who signs what a host takes: the edge each request, and the operator each order. */
export const SIGNERS = ['edge', 'operator'] as const
export type Signer = (typeof SIGNERS)[number]

const signer = v.picklist(SIGNERS)
/** 32 bytes in base64. */
const key = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{43}=$/))

const request = v.variant('op', [
  v.strictObject({ v: v.literal(1), op: v.literal('status') }),
  /** Reads mux.yaml and the registry's instance records again; defines what is new, ends what is gone. */
  v.strictObject({ v: v.literal(1), op: v.literal('reload') }),
  v.strictObject({ v: v.literal(1), op: v.literal('start'), instance }),
  v.strictObject({ v: v.literal(1), op: v.literal('stop'), instance }),
  v.strictObject({ v: v.literal(1), op: v.literal('restart'), instance }),
  /** Reads the keys of sessions, or of the host, again. */
  v.strictObject({ v: v.literal(1), op: v.literal('keys') }),
  /** Has a host take what is signed with this key as well. */
  v.strictObject({ v: v.literal(1), op: v.literal('accept'), signer, key }),
  /** Has it take nothing any more that is signed with a key in whose place another one has come. */
  v.strictObject({ v: v.literal(1), op: v.literal('retire'), signer }),
  /**
   * From now on, also after a restart of the host, whoever is sent here by an older version of one of these users' records
   * is refused, and what they have open by one is closed. A version that is not above the one known changes nothing.
   */
  v.strictObject({ v: v.literal(1), op: v.literal('known'), users: knownUsers }),
  /** Holds the requests for an instance that come from now on, for at most so many milliseconds. */
  v.strictObject({
    v: v.literal(1),
    op: v.literal('hold'),
    instance,
    for: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(HOLD_MAX)),
  }),
  /** Lets them go on: each is looked at again as if it came now. */
  v.strictObject({ v: v.literal(1), op: v.literal('release'), instance }),
  /** Ends every instance and then the supervisor; the reply comes before the end. */
  v.strictObject({ v: v.literal(1), op: v.literal('shutdown') }),
])

export type ControlRequest = v.InferOutput<typeof request>
export type ControlOp = ControlRequest['op']

/** `degraded`: it serves, but its last change or restart failed; `disabled`: stopped or failed, and to be left so. */
export const INSTANCE_STATES = [
  'stopped',
  'starting',
  'ready',
  'degraded',
  'draining',
  'failed',
  'disabled',
] as const
export type InstanceState = (typeof INSTANCE_STATES)[number]

/** An upload is a request with a body; a socket is one that became a WebSocket, or asks to. */
export const ACTIVITIES = ['request', 'upload', 'socket'] as const
export type Activity = (typeof ACTIVITIES)[number]

const exit = v.object({
  /** Exit code; null when a signal ended it, or when nobody knows, because an earlier supervisor had started it. */
  code: v.nullable(v.number()),
  signal: v.nullable(v.string()),
  by: v.picklist(['us', 'crash']),
  at: v.string(),
})

const instanceStatus = v.object({
  name: instance,
  state: v.picklist(INSTANCE_STATES),
  /** The generation that serves, or that is starting; null while there is none. */
  generation: v.nullable(
    v.object({
      number: v.number(),
      pid: v.number(),
      since: v.string(),
      address: v.string(),
      /** True when mux.yaml says something else of it by now, which counts from the next start on. */
      outdated: v.optional(v.boolean(), false),
    }),
  ),
  /** Requests and open sockets that it is serving now. */
  inFlight: v.number(),
  /** Requests held until it is ready. */
  waiting: v.number(),
  /** Times that it was started again after a crash, since the supervisor began. */
  crashes: v.number(),
  lastExit: v.nullable(exit),
  /** When the next start is tried after a crash; null when none is planned. */
  nextTry: v.nullable(v.string()),
  /** Why it is failed, disabled or degraded, or starting and not started yet, in one sentence; null otherwise. */
  reason: v.nullable(v.string()),
  /** When its last request began or ended; null before the first. Those that `idle_ignore` names are none. */
  lastActivity: v.nullable(v.string()),
  /** What that was. */
  lastActivityBy: v.optional(v.nullable(v.picklist(ACTIVITIES)), null),
  /** When it is stopped unless somebody uses it before; null: never, or something is under way. */
  idleStop: v.optional(v.nullable(v.string()), null),
})

const hostStatus = v.object({
  host: v.string(),
  pid: v.number(),
  since: v.string(),
  version: v.string(),
  /** Its clock when it answered; null where it doesn't say. */
  now: v.optional(v.nullable(v.pipe(v.string(), v.isoTimestamp())), null),
  /** What it listens on, for people. */
  url: v.nullable(v.string()),
  pool: v.object({
    max: v.number(),
    running: v.number(),
    /** Boots under way, of at most so many at once, and those that wait for their turn. */
    parallelBoots: v.optional(v.number(), 0),
    booting: v.optional(v.number(), 0),
    waiting: v.optional(v.number(), 0),
  }),
  instances: v.array(instanceStatus),
})

const restarted = v.object({
  instance,
  /** Null when nothing ran before. */
  oldPid: v.nullable(v.number()),
  newPid: v.number(),
  /** Requests that were finished by the old generation after the swap. */
  drained: v.number(),
  /** From order to the end of the old generation, in milliseconds. */
  took: v.number(),
})

const results = {
  status: hostStatus,
  reload: v.object({ added: v.array(instance), removed: v.array(instance), changed: v.array(instance) }),
  start: instanceStatus,
  stop: instanceStatus,
  restart: restarted,
  keys: v.object({ pid: v.number() }),
  accept: v.object({ changed: v.boolean() }),
  retire: v.object({
    /** Keys that are good no more. */
    retired: v.number(),
  }),
  known: v.object({
    /** How many of these users the host did not know this version of. */
    raised: v.number(),
    /** How many WebSockets and answers under way were ended at once. */
    closed: v.number(),
  }),
  hold: v.object({ until: v.string() }),
  release: v.object({
    /** Requests that were held. */
    released: v.number(),
  }),
  shutdown: v.object({ pid: v.number() }),
}

export type InstanceStatus = v.InferOutput<typeof instanceStatus>
export type HostStatus = v.InferOutput<typeof hostStatus>
export type RestartReport = v.InferOutput<typeof restarted>
export type ReloadReport = v.InferOutput<(typeof results)['reload']>
export type ControlResult<Op extends ControlOp> = v.InferOutput<(typeof results)[Op]>

/** Everything that a host answers an order with when it does not carry it out. */
export const CONTROL_ERRORS = [
  'control_request_invalid',
  'instance_not_found',
  'instance_failed',
  'instance_disabled',
  'pool_full',
  'config_invalid',
  'shutting_down',
  'host_busy',
  'disk_full',
  'internal',
] as const
export type ControlErrorCode = (typeof CONTROL_ERRORS)[number]

const failure = v.object({
  code: v.picklist(CONTROL_ERRORS),
  message: v.string(),
  hint: v.nullable(v.string()),
  /** The last lines of the instance's log, oldest first, where they tell why. */
  log: v.array(v.string()),
})
export type ControlFailure = v.InferOutput<typeof failure>

export type ControlReply<Op extends ControlOp = ControlOp> =
  | { v: 1; ok: true; result: ControlResult<Op> }
  | { v: 1; ok: false; error: ControlFailure }

/** Thrown by whatever carries out an order, and by the client that was refused. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
  readonly code: ControlErrorCode
  readonly hint: string | null
  readonly log: readonly string[]
  constructor(
    code: ControlErrorCode,
    message: string,
    options: { hint?: string | null; log?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.hint = options.hint ?? null
    this.log = options.log ?? []
  }

  toFailure(): ControlFailure {
    return { code: this.code, message: this.message, hint: this.hint, log: [...this.log] }
  }
}

/** What came is nothing of this version: the one who speaks is no mux, or another one. */
export class GarbledReply extends ControlError {
  constructor(message: string) {
    super('internal', message)
  }
}

/** @throws {ControlError} `control_request_invalid` on anything but a request of this version. */
export function decodeControlRequest(text: string): ControlRequest {
  const result = v.safeParse(request, parseJson(text))
  if (result.success) return result.output
  throw new ControlError('control_request_invalid', 'The order was not understood.', {
    hint: 'Use the mux command of the same version as the running supervisor: mux --version',
  })
}

/** @throws {ControlError} the one that the host replied; {@link GarbledReply} when the reply is none */
export function decodeControlReply<Op extends ControlOp>(op: Op, text: string): ControlResult<Op> {
  const reply = parseJson(text)
  const refused = v.safeParse(v.object({ v: v.literal(1), ok: v.literal(false), error: failure }), reply)
  if (refused.success) {
    const { code, message, hint, log } = refused.output.error
    throw new ControlError(code, message, { hint, log })
  }
  const done = v.safeParse(v.object({ v: v.literal(1), ok: v.literal(true), result: results[op] }), reply)
  if (done.success) return done.output.result as ControlResult<Op>
  throw new GarbledReply('The supervisor gave an answer of another version.')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

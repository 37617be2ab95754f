import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { addAbortSignal, Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import {
  COMMAND_PATH,
  CONTROL_PATH,
  ControlError,
  type ControlOp,
  type ControlResult,
  decodeControlReply,
  encodeCommand,
  FRAME_INTERVAL,
  FrameDecoder,
  GarbledReply,
  type HostName,
} from '@mux/contract'
import { type Spooled, spool } from '@mux/instance/spool'
import { type OrderFor, readReply } from './control-client.ts'
import { signControl } from './control-signer.ts'
import { CliError } from './errors.ts'
import { hostRefused, hostUnreachable } from './host-failure.ts'

/** A host as its operator reaches it. */
export interface RemoteHost {
  name: HostName
  /** URL of its gateway, without a path. */
  origin: string
  /** Its control key, see `deriveControlKey`. */
  key: Uint8Array
}

/** How long it may take to reach a host, in milliseconds. */
const CONNECT_LIMIT = 10_000
/** After so many milliseconds without a byte, a host that runs a command is given up. */
const SILENCE_LIMIT = 4 * FRAME_INTERVAL
/** How long one that runs no command may take to say why, in milliseconds. */
const REFUSAL_LIMIT = 10_000
/** How long a host that checks a request before it takes the body may take to ask for that, in milliseconds. */
const CONTINUE_LIMIT = 2_000

/**
 * Gives one order to the supervisor of a host, and waits for its reply.
 * @param timeout milliseconds for the whole exchange
 * @param signal waits no longer, which leaves the host to carry the order out; its reason is thrown
 * @throws {ControlError} what the supervisor refused it with
 * @throws {CliError} `host_unreachable`, `host_refused`
 */
export async function orderHost<Op extends ControlOp>(
  host: RemoteHost,
  order: OrderFor<Op> & { op: Op },
  timeout: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<ControlResult<Op>> {
  const body = Buffer.from(JSON.stringify({ v: 1, ...order }))
  const sha256 = createHash('sha256').update(body).digest('base64')
  const limit = AbortSignal.any([AbortSignal.timeout(timeout), signal])
  return translated(host, signal, async () => {
    // Nothing is heard of an order until it is carried out: its own limit is the one that counts.
    const call = openCall(host, { path: CONTROL_PATH, sha256, size: body.length, silence: 0 }, limit)
    call.end(body)
    const answer = await answerOf(call)
    return decodeControlReply(order.op as Op, await readAnswer(host, answer))
  })
}

export interface RemoteCommandOptions {
  stdout: Writable
  stderr: Writable
  /** What the command reads; nothing if absent. Taken whole before it is sent. */
  stdin?: AsyncIterable<Uint8Array>
  /** The width of the terminal that it is shown on. */
  columns?: number
  /** Ends the command; its reason is thrown. */
  signal?: AbortSignal
}

/**
 * Runs a command of mux in the project of a host, and passes on what it says.
 * @param args what stands behind `mux`
 * @returns what it ended with
 * @throws {ControlError} when it is none that may be run there, or the host is busy
 * @throws {CliError} `host_unreachable`, also when the host is lost while the command runs; `host_refused`
 */
export async function runOnHost(
  host: RemoteHost,
  args: readonly string[],
  { stdout, stderr, stdin, columns, signal = new AbortController().signal }: RemoteCommandOptions,
): Promise<number> {
  const head = encodeCommand(columns === undefined ? { args: [...args] } : { args: [...args], columns })
  const input = addAbortSignal(signal, Readable.from(behind(head, stdin)))
  const body = await spool(input, { directory: tmpdir() }).catch((error: unknown) => {
    signal.throwIfAborted()
    throw error
  })
  try {
    return await translated(host, signal, async () => {
      const { sha256, size } = body
      const call = openCall(host, { path: COMMAND_PATH, sha256, size, silence: SILENCE_LIMIT }, signal)
      const answered = answerOf(call)
      await sendBody(call, body, answered)
      return await passOn(host, await answered, { stdout, stderr })
    })
  } finally {
    await body.dispose()
  }
}

async function* behind(
  head: Uint8Array,
  rest: AsyncIterable<Uint8Array> | undefined,
): AsyncIterable<Uint8Array> {
  yield head
  if (rest !== undefined) yield* rest
}

/** @param silence milliseconds without a byte after which the host is given up, once it is reached; 0: none */
function openCall(
  host: RemoteHost,
  { path, sha256, size, silence }: { path: string; sha256: string; size: number; silence: number },
  signal: AbortSignal,
): ClientRequest {
  if (!/^https?:/.test(host.origin)) throw hostUnreachable(host, 'only the Worker reaches this origin')
  // Not imported, for the reason given in control-client.ts, and not before it is needed: that of TLS takes longer to load than
  // most commands run, and few call another host.
  const { request: open } = host.origin.startsWith('https:')
    ? process.getBuiltinModule('node:https')
    : process.getBuiltinModule('node:http')
  const signed = signControl(host.key, { method: 'POST', target: path, host: host.name, sha256 }, Date.now())
  const call = open(new URL(path, host.origin), {
    method: 'POST',
    headers: {
      ...signed,
      'content-type': path === CONTROL_PATH ? 'application/json' : 'application/octet-stream',
      'content-length': size,
      // Before a long body, the host says whether it would take it at all.
      ...(path === COMMAND_PATH ? { expect: '100-continue' } : {}),
    },
    agent: false,
    timeout: CONNECT_LIMIT,
    signal,
  })
  call.once('socket', (socket) => {
    const event = host.origin.startsWith('https:') ? 'secureConnect' : 'connect'
    socket.once(event, () => call.setTimeout(silence))
  })
  call.on('timeout', () => call.destroy(timeout()))
  return call
}

function timeout(): Error {
  return new Error('it does not answer in time')
}

function answerOf(call: ClientRequest): Promise<IncomingMessage> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    call.once('response', resolve)
    call.on('error', reject)
  })
  // Whoever sends the body meets the failure first.
  answered.catch(() => {})
  return answered
}

/** Sends the body when the host asks for it, or says nothing, as a front before it may; not when it has refused already. */
async function sendBody(
  call: ClientRequest,
  body: Spooled,
  answered: Promise<IncomingMessage>,
): Promise<void> {
  call.flushHeaders()
  const stop = new AbortController()
  const asked = new Promise<'asked'>((resolve) => call.once('continue', () => resolve('asked')))
  const late = delay(CONTINUE_LIMIT, 'late' as const, { signal: stop.signal }).catch(() => 'late' as const)
  const next = await Promise.race([asked, late, answered]).finally(() => stop.abort())
  if (typeof next === 'string') await pipeline(body.from(0), call)
}

/** What the host answered in JSON. @throws {CliError} when it is none of its answers, or refuses who asks */
async function readAnswer(host: RemoteHost, answer: IncomingMessage): Promise<string> {
  const { statusCode, headers } = answer
  if (headers['content-type'] === 'application/json') return readReply(answer)
  answer.destroy()
  if (statusCode === 403 && headers['mux-problem'] === 'assertion_invalid')
    throw hostRefused(host, headers.date)
  throw hostUnreachable(host, `what answers there is no host of this mux (status ${statusCode})`)
}

/** Passes frames on as fast as they are taken. */
async function passOn(
  host: RemoteHost,
  answer: IncomingMessage,
  outputs: { stdout: Writable; stderr: Writable },
): Promise<number> {
  if (answer.headers['content-type'] !== 'application/octet-stream') {
    const late = setTimeout(() => answer.destroy(timeout()), REFUSAL_LIMIT)
    const refusal = await readAnswer(host, answer).finally(() => clearTimeout(late))
    decodeControlReply('status', refusal)
    throw hostUnreachable(host, 'it runs another version of mux')
  }
  const decoder = new FrameDecoder()
  for await (const piece of answer as AsyncIterable<Buffer>) {
    for (const frame of decoder.push(piece)) {
      if (frame.kind === 'exit') return frame.code
      const output = outputs[frame.kind]
      if (frame.payload.length > 0 && !output.write(frame.payload)) await once(output, 'drain')
    }
  }
  throw hostUnreachable(host, 'the connection broke off, and what became of the command is not known')
}

/** @throws {CliError} for whatever fails on the way; the reason of `signal` when that was it */
async function translated<Result>(
  host: RemoteHost,
  signal: AbortSignal,
  exchange: () => Promise<Result>,
): Promise<Result> {
  try {
    return await exchange()
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof GarbledReply)
      throw hostUnreachable(host, 'what it says is not understood, as of another version of mux', error)
    if (error instanceof CliError || error instanceof ControlError) throw error
    throw hostUnreachable(host, reasonOf(error as NodeJS.ErrnoException), error)
  }
}

function reasonOf({ name, code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing listens there'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name cannot be resolved'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection broke off'
    default:
      // A request says of whatever ends it that it was aborted; that the caller did has been told apart before.
      return name === 'TimeoutError' || name === 'AbortError' ? 'it does not answer in time' : message
  }
}

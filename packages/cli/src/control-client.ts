import type { IncomingMessage } from 'node:http'
import { basename, dirname } from 'node:path'
import {
  CONTROL_PATH,
  type ControlOp,
  type ControlRequest,
  type ControlResult,
  decodeControlReply,
} from '@mux/contract'
import { CliError } from './errors.ts'

/** The longest reply that is read, in bytes: room for ten thousand instances. */
const MAX_REPLY = 16 * 1024 * 1024

/** Any system takes the path of a socket up to this length, in bytes. */
const SHORT_PATH = 100

export type OrderFor<Op extends ControlOp> = Omit<Extract<ControlRequest, { op: Op }>, 'v'>

/**
 * Gives one order to the supervisor behind a control socket and waits for its reply.
 * @param socketPath `.mux/run/control.sock` of the project, also where that is too long for a socket
 * @param timeout milliseconds for the whole exchange
 * @param signal waits no longer, which leaves the supervisor to carry the order out; its reason is thrown
 * @throws {ControlError} what the supervisor refused it with
 * @throws {CliError} `not_running`, `supervisor_unresponsive`, `control_refused`
 */
export async function sendOrder<Op extends ControlOp>(
  socketPath: string,
  order: OrderFor<Op> & { op: Op },
  timeout: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<ControlResult<Op>> {
  const body = JSON.stringify({ v: 1, ...order })
  const path = await realSocketPath(socketPath)
  const limit = AbortSignal.any([AbortSignal.timeout(timeout), signal])
  const text = await exchange(path, body, limit).catch((error: unknown) => {
    signal.throwIfAborted()
    throw translate(error, timeout)
  })
  return decodeControlReply(order.op as Op, text)
}

/** In a deep directory the supervisor listens somewhere shorter, and left word of it. */
async function realSocketPath(path: string): Promise<string> {
  if (Buffer.byteLength(path) <= SHORT_PATH) return path
  const { socketPath } = await import('@mux/instance')
  return socketPath(dirname(dirname(path)), basename(path))
}

function exchange(socketPath: string, body: string, signal: AbortSignal): Promise<string> {
  // Not imported: that would run every getter of the module, one of which loads undici, a sixth of the time of a command.
  const { request } = process.getBuiltinModule('node:http')
  return new Promise((resolve, reject) => {
    const call = request({
      socketPath,
      path: CONTROL_PATH,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      agent: false,
      signal,
    })
    call.once('error', reject)
    call.once('response', (reply) => resolve(readReply(reply)))
    call.end(body)
  })
}

/** A reply, whole. @throws when it breaks off, and when it is longer than any that a supervisor gives */
export async function readReply(reply: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_REPLY) throw new Error('the reply is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function translate(error: unknown, timeout: number): CliError {
  const { name, code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return notRunning(error)
  if (code === 'EACCES' || code === 'EPERM') {
    return new CliError('control_refused', 'This supervisor belongs to another user of this machine.', {
      hint: 'Run the command as the user that ran: mux up',
      cause: error,
    })
  }
  if (name === 'TimeoutError' || name === 'AbortError') {
    return new CliError(
      'supervisor_unresponsive',
      `The supervisor is there, but did not answer within ${timeout / 1000} s.`,
      { hint: 'See what it is doing: mux status, and .mux/logs/mux.log', cause: error },
    )
  }
  return new CliError('supervisor_unresponsive', 'The supervisor ended the exchange before it answered.', {
    hint: 'See whether it is still running: mux status',
    cause: error,
  })
}

/** What every command says that needs the supervisor when there is none. */
export function notRunning(cause?: unknown): CliError {
  return new CliError('not_running', 'mux is not running here.', {
    hint: 'Start it: mux up --detach (or mux up, to watch it)',
    cause,
  })
}

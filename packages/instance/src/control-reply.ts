import type { ServerResponse } from 'node:http'
import {
  ControlError,
  type ControlErrorCode,
  type ControlOp,
  type ControlReply,
  type ControlRequest,
  type ControlResult,
  decodeControlRequest,
} from '@mux/contract'
import type { LogEvent } from './log-event.ts'

/** Carries out an order, however long that takes. Throws `ControlError`; anything else is answered with `internal`. */
export type HandleOrder = (request: ControlRequest) => Promise<ControlResult<ControlOp>>

const STATUS: Record<ControlErrorCode, number> = {
  control_request_invalid: 400,
  instance_not_found: 404,
  instance_failed: 502,
  instance_disabled: 409,
  pool_full: 409,
  config_invalid: 422,
  shutting_down: 503,
  host_busy: 429,
  disk_full: 507,
  internal: 500,
}

/** The reply to one order, whatever becomes of it. */
export async function replyTo(
  read: () => Promise<string>,
  handle: HandleOrder,
  log: (event: LogEvent) => void,
): Promise<ControlReply> {
  try {
    const request = decodeControlRequest(await read())
    return { v: 1, ok: true, result: await handle(request) }
  } catch (error) {
    return refusalOf(error, log)
  }
}

export function refusalOf(error: unknown, log: (event: LogEvent) => void): ControlReply {
  if (error instanceof ControlError) return { v: 1, ok: false, error: error.toFailure() }
  log({ event: 'order_failed', reason: String(error) })
  const failure = new ControlError('internal', 'The supervisor could not do this.', {
    hint: 'See .mux/logs/mux.log',
  })
  return { v: 1, ok: false, error: failure.toFailure() }
}

export function notUnderstood(reason: string): ControlError {
  return new ControlError('control_request_invalid', `The order was not understood: ${reason}.`)
}

/** One order a connection: nothing then has to be told apart from an idle client. */
export function sendReply(outgoing: ServerResponse, reply: ControlReply): void {
  const body = JSON.stringify(reply)
  outgoing.shouldKeepAlive = false
  outgoing.writeHead(reply.ok ? 200 : STATUS[reply.error.code], {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  })
  outgoing.end(body)
}

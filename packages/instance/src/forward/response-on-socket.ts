import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** A plain answer to a request for an upgrade, for which Node makes none; the connection ends with it. */
export function responseOnSocket(incoming: IncomingMessage, socket: Duplex): ServerResponse {
  const outgoing = new ServerResponse(incoming)
  outgoing.shouldKeepAlive = false
  outgoing.assignSocket(socket as Socket)
  outgoing.once('finish', () => socket.end(() => socket.destroy()))
  return outgoing
}

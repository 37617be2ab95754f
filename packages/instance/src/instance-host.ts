import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { trustedNames } from './forward/headers.ts'
import type { ForwardOrder } from './forward/order.ts'
import { type ForwardMeans, forwardRequest } from './forward/request.ts'
import { forwardUpgrade } from './forward/upgrade.ts'
import type { LeaseSource } from './lease.ts'

export interface InstanceHostOptions {
  /** The supervisor. */
  source: LeaseSource
  /** The configured identity header, which no trailer may imitate. */
  identityHeader: string
  /** Milliseconds in which a KiB has to come of a body that is being read, before there is an answer; a minute by default. */
  bodySilence?: number
}

const BODY_SILENCE = 60_000

/**
 * What a decided request is handed to. Both methods write the instance's answer straight to the client's socket and
 * settle when the exchange is over.
 * @throws {Problem} before anything has been written, and never after
 */
export interface InstanceHost {
  request(incoming: IncomingMessage, outgoing: ServerResponse, order: ForwardOrder): Promise<void>
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer, order: ForwardOrder): Promise<void>
}

export function createInstanceHost({
  source,
  identityHeader,
  bodySilence = BODY_SILENCE,
}: InstanceHostOptions): InstanceHost {
  const means: ForwardMeans = { source, isTrusted: trustedNames(identityHeader), bodySilence }
  return {
    request: (incoming, outgoing, order) => forwardRequest(incoming, outgoing, order, means),
    upgrade: (incoming, socket, head, order) => forwardUpgrade(incoming, socket, head, order, means),
  }
}

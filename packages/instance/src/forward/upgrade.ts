import { type IncomingMessage, request as openRequest } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Problem } from '@mux/contract'
import { errors } from 'undici'
import type { Lease } from '../lease.ts'
import { pause } from '../wait.ts'
import { claim } from './claim.ts'
import { MAX_ANSWER_HEAD, ownConnection } from './connection.ts'
import { bodyFraming, lengthAllowedBy } from './headers.ts'
import type { ForwardOrder } from './order.ts'
import { toProblem } from './problem.ts'
import { reclaimDelay } from './reclaim.ts'
import type { ForwardMeans } from './request.ts'
import { responseOnSocket } from './response-on-socket.ts'
import { Tunnel } from './tunnel.ts'
import { OddAnswer } from './upstream.ts'

/**
 * Claims a generation, asks it for a WebSocket and joins the two connections. Any other answer than the switch goes to
 * the client as it is. Settles when both connections are closed.
 * @param head what the client has sent behind its request
 * @throws {Problem} before anything has been written to the client, and never after
 */
export async function forwardUpgrade(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  order: ForwardOrder,
  means: ForwardMeans,
): Promise<void> {
  const framing = bodyFraming(incoming.rawHeaders)
  if (incoming.method !== 'GET' || !framing || framing.chunked || Number(framing.length ?? 0) > 0) {
    throw new Problem('bad_request')
  }
  const gone = watchForLeaving(socket, order.revoked)
  try {
    const { lease, answer } = await open(order, means, gone.signal)
    try {
      gone.stop()
      if (gone.signal.aborted) (answer.upstream ?? answer.response).destroy()
      else if (answer.upstream === undefined)
        await relay(answer.response, incoming, socket, order, lease.ended)
      else {
        const { ended, responseLimit: patience } = lease
        const tunnel = { ended, revoked: order.revoked, patience }
        socket.write(switchingHead(answer.response, order), 'latin1')
        await new Tunnel(socket, answer.upstream, tunnel).join(head, answer.head)
      }
    } finally {
      lease.release()
    }
  } catch (error) {
    if (!gone.signal.aborted) throw toProblem(error as Error)
  } finally {
    gone.stop()
    if (gone.signal.aborted) socket.destroy()
  }
}

/**
 * A client that ends its side before it has been answered has left, too: there is no WebSocket with half a client. One
 * that is shut out meanwhile is treated as if it had.
 */
function watchForLeaving(
  socket: Duplex,
  revoked: AbortSignal | undefined,
): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController()
  const leave = () => controller.abort(new Error('the client left'))
  // Stays: what fails on this socket later is reported by its `close`.
  socket.on('error', () => {})
  socket.on('close', leave).on('end', leave)
  revoked?.addEventListener('abort', leave)
  if (socket.destroyed || socket.readableEnded || revoked?.aborted) leave()
  const stop = () => {
    socket.off('close', leave).off('end', leave)
    revoked?.removeEventListener('abort', leave)
  }
  return { signal: controller.signal, stop }
}

type Handshake =
  | { response: IncomingMessage; upstream: Socket; head: Buffer }
  | { response: IncomingMessage; upstream?: undefined }

/** A lease, and what its generation answered. */
async function open(
  order: ForwardOrder,
  { source }: ForwardMeans,
  gone: AbortSignal,
): Promise<{ lease: Lease; answer: Handshake }> {
  for (let attempt = 0; ; attempt++) {
    const lease = await claim(source, order, {
      signal: gone,
      navigation: false,
      target: order.target,
      activity: 'socket',
    })
    try {
      return { lease, answer: await handshake(lease, order, gone) }
    } catch (error) {
      lease.release()
      const delay = reclaimDelay(error as Error, attempt)
      if (delay === undefined) throw error
      await pause(delay, gone)
    }
  }
}

function handshake(lease: Lease, order: ForwardOrder, gone: AbortSignal): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const call = openRequest({
      createConnection: ownConnection(lease),
      method: 'GET',
      path: order.target,
      headers: [...order.headers, 'Connection', 'Upgrade', 'Upgrade', 'websocket'],
      maxHeaderSize: MAX_ANSWER_HEAD,
    })
    const cancel = () => call.destroy(new OddAnswer('the handshake was given up'))
    const late = () =>
      call.destroy(new errors.HeadersTimeoutError('the answer to the handshake took too long'))
    const limit = lease.responseLimit === null ? undefined : setTimeout(late, lease.responseLimit)
    const stop = () => {
      clearTimeout(limit)
      gone.removeEventListener('abort', cancel)
      lease.ended.removeEventListener('abort', cancel)
    }
    gone.addEventListener('abort', cancel)
    lease.ended.addEventListener('abort', cancel)
    if (gone.aborted || lease.ended.aborted) cancel()
    call.on('error', (error) => {
      stop()
      reject(error)
    })
    call.once('upgrade', (response, upstream: Socket, head) => {
      stop()
      // From here on Node listens no more; what fails is reported by `close`.
      upstream.on('error', () => {})
      if (response.headers.upgrade?.toLowerCase() === 'websocket') resolve({ response, upstream, head })
      else {
        upstream.destroy()
        reject(new OddAnswer('the instance switched to another protocol than WebSocket'))
      }
    })
    call.once('response', (response) => {
      stop()
      if (response.statusCode! >= 200) resolve({ response })
      else call.destroy(new OddAnswer('the instance switched protocols without naming one'))
    })
    call.end()
  })
}

function switchingHead(response: IncomingMessage, order: ForwardOrder): string {
  const headers = lengthAllowedBy(101, order.answerHeaders(response.rawHeaders))
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket']
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Passes on the answer of an instance that did not switch, and closes the client's connection behind it. */
async function relay(
  response: IncomingMessage,
  incoming: IncomingMessage,
  socket: Duplex,
  order: ForwardOrder,
  ended: AbortSignal,
): Promise<void> {
  const outgoing = responseOnSocket(incoming, socket)
  const status = response.statusCode!
  const headers = lengthAllowedBy(status, order.answerHeaders(response.rawHeaders))
  try {
    outgoing.writeHead(status, response.statusMessage, headers)
  } catch (error) {
    response.destroy()
    outgoing.detachSocket(socket as Socket)
    throw new OddAnswer('the head of the answer cannot be passed on', { cause: error })
  }
  try {
    await pipeline(response, outgoing, { signal: ended })
  } catch {
    // The client has left, or sees by this that the answer is cut off.
    socket.destroy()
  }
}

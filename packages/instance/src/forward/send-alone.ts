import { type IncomingMessage, request as openRequest } from 'node:http'
import type { Address } from '../lease.ts'
import { MAX_ANSWER_HEAD, openSocket } from './connection.ts'
import { OddAnswer, type Receiver, type UpstreamRequest } from './upstream.ts'

/** Sends a request on a connection of its own: its head at once, with any framing, with trailers. */
export function sendAlone(address: Address, request: UpstreamRequest, receiver: Receiver): void {
  const { body, length } = request
  const framing =
    body === null ? [] : length === undefined ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', length]
  const call = openRequest({
    createConnection: () => openSocket(address),
    method: request.method,
    path: request.target,
    // Not `close`: an instance that answers before the end of an upload would close under it, and the reset that
    // follows can overtake the answer.
    headers: [...request.headers, 'Connection', 'keep-alive', ...framing],
    maxHeaderSize: MAX_ANSWER_HEAD,
  })
  let answer: IncomingMessage | undefined
  let over = false
  const settle = (tell: () => void): void => {
    if (over) return
    over = true
    body?.unpipe(call)
    body?.off('error', fail)
    tell()
  }
  const fail = (error: Error): void => {
    settle(() => receiver.failed(error))
    call.destroy()
  }

  call.on('error', (error) => {
    // What comes behind a whole answer is no part of it; its end is still on the way.
    if (!answer?.complete) fail(error)
  })
  // Node closes without a word after a switch of protocols that nobody listens for.
  call.once('close', () => {
    if (!answer) fail(new OddAnswer('the instance gave no answer'))
  })
  call.once('response', (response) => {
    answer = response
    receiver.answering()
    response.on('error', fail)
    response.on('data', (chunk: Buffer) => {
      if (!over && !receiver.data(chunk)) response.pause()
    })
    response.once('end', () => {
      settle(() => receiver.ended(response.rawTrailers))
      call.destroy()
    })
    try {
      if (response.statusCode! < 200) throw new OddAnswer(`the instance answered ${response.statusCode}`)
      receiver.head(response.statusCode!, response.statusMessage ?? '', response.rawHeaders)
    } catch (error) {
      fail(error as Error)
    }
  })
  receiver.sending({
    abort: fail,
    pause: () => answer?.pause(),
    resume: () => answer?.resume(),
  })
  if (over) return
  if (body === null) {
    call.end()
    return
  }
  call.flushHeaders()
  body.once('error', fail)
  body.once('end', () => {
    if (over) return
    if (length === undefined) call.addTrailers(request.trailers())
    call.end()
  })
  // Not before: of a body that met no connection, nothing has been read, and it can be sent to another generation.
  call.once('socket', (socket) => socket.once('connect', () => body.pipe(call, { end: false })))
}

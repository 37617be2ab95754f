import { type ClientRequest, type IncomingMessage, request as openRequest } from 'node:http'
import { errors } from 'undici'
import type { Lease } from '../lease.ts'
import { MAX_ANSWER_HEAD, ownConnection } from './connection.ts'
import { OddAnswer, type Receiver, type UpstreamRequest } from './upstream.ts'

/** Sends a request on a connection of its own: its head at once, with any framing, with trailers. */
export function sendAlone(lease: Lease, request: UpstreamRequest, receiver: Receiver): void {
  const { body, length } = request
  const framing =
    body === null ? [] : length === undefined ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', length]
  const call = openRequest({
    createConnection: ownConnection(lease),
    method: request.method,
    path: request.target,
    // Not `close`: an instance that answers before the end of an upload would close under it, and the reset that
    // follows can overtake the answer.
    headers: [...request.headers, 'Connection', 'keep-alive', ...framing],
    maxHeaderSize: MAX_ANSWER_HEAD,
  })
  const overdue = new ResponseTimer(call, request.responseLimit, () =>
    fail(new errors.HeadersTimeoutError('the head of the answer took too long')),
  )
  let answer: IncomingMessage | undefined
  let over = false
  const settle = (tell: () => void): void => {
    if (over) return
    over = true
    overdue.stop()
    body?.unpipe(call)
    body?.off('error', fail).off('end', ended)
    tell()
  }
  const fail = (error: Error): void => {
    settle(() => receiver.failed(error))
    call.destroy()
  }

  function ended(): void {
    if (length === undefined) call.addTrailers(request.trailers())
    call.end()
    overdue.restart()
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
    overdue.stop()
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
  body.once('error', fail).once('end', ended)
  // Not before: of a body that met no connection, nothing has been read, and it can be sent to another generation.
  const sendBody = () => body.pipe(call, { end: false })
  call.once('socket', (socket) => {
    if (socket.connecting) socket.once('connect', sendBody)
    else sendBody()
  })
}

/** Runs while the head of an answer is awaited; a request that is still being sent, and taken, is given more time. */
class ResponseTimer {
  readonly #call: ClientRequest
  readonly #expired: () => void
  #timer: NodeJS.Timeout | undefined
  #sent = 0

  constructor(call: ClientRequest, limit: number | null, expired: () => void) {
    this.#call = call
    this.#expired = expired
    if (limit !== null) this.#timer = setTimeout(() => this.#look(), limit)
  }

  restart(): void {
    this.#timer?.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    const { writableEnded, writableNeedDrain, socket } = this.#call
    const sent = socket?.bytesWritten ?? 0
    const isTaken = sent > this.#sent || !writableNeedDrain
    this.#sent = sent
    if (!writableEnded && isTaken) this.#timer?.refresh()
    else this.#expired()
  }
}

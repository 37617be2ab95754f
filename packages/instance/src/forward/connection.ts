import { connect, type Socket } from 'node:net'
import { buildConnector, errors, Pool } from 'undici'
import type { Address } from '../lease.ts'

/** How long connecting to a generation on this machine may take, in milliseconds. */
const CONNECT_LIMIT = 10_000
/** How long a kept connection may be idle, in milliseconds: less than what servers commonly allow (gunicorn: 2 s). */
const KEEP_ALIVE = 1_000
/** How much of head an instance may answer with, in bytes. */
export const MAX_ANSWER_HEAD = 64 * 1024

const brokenWhileKept = new WeakSet<Error>()

/**
 * True for the error of a connection that had carried an earlier exchange: the instance may have closed it before it
 * could see the request that failed with it, whereas one that fails on its first request has met the request.
 */
export function brokeWhileKept(error: Error): boolean {
  return brokenWhileKept.has(error)
}

/**
 * Connections to one generation, kept between requests. One exchange at a time on each, and as many as are needed:
 * how long and how many is bounded by those who hold leases. Destroyed by whoever opened it.
 */
export function openPool(address: Address): Pool {
  const open = buildConnector({
    ...('socketPath' in address ? { socketPath: address.socketPath } : {}),
    timeout: CONNECT_LIMIT,
    allowH2: false,
  })
  return new Pool(`http://127.0.0.1${'port' in address ? `:${address.port}` : ''}`, {
    connect: (options, callback) =>
      open(options, (...[error, socket]) => {
        if (error) return callback(error, null)
        // Before the pool's own listener, so that the mark is there when the request fails.
        socket.on('error', (reason) => {
          const isOurs = reason instanceof errors.HeadersTimeoutError
          if (socket.bytesRead > 0 && !isOurs) brokenWhileKept.add(reason)
        })
        callback(null, socket)
      }),
    maxHeaderSize: MAX_ANSWER_HEAD,
    keepAliveTimeout: KEEP_ALIVE,
    // How long an application may take is for the request to say; an answer that has begun may go on for ever.
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}

/** A connection of its own, for an exchange that cannot share one. */
export function openSocket(address: Address): Socket {
  const where =
    'socketPath' in address ? { path: address.socketPath } : { host: '127.0.0.1', port: address.port }
  const socket = connect({ ...where, allowHalfOpen: true, noDelay: true, keepAlive: true })
  const late = Object.assign(new Error('connecting took too long'), { code: 'ETIMEDOUT' })
  const limit = setTimeout(() => socket.destroy(late), CONNECT_LIMIT)
  const done = () => clearTimeout(limit)
  return socket.once('connect', done).once('close', done)
}

import { connect, type Socket } from 'node:net'
import { buildConnector, errors, Pool } from 'undici'
import type { Address, Lease } from '../lease.ts'

/** How long connecting to a generation on this machine may take, in milliseconds: one that accepts nobody drops packets. */
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

/** Takes a connection that is open for what it should be, or ends it. */
async function vouch(
  socket: Socket,
  isReached: () => Promise<boolean>,
  { taken, refused }: { taken: () => void; refused: (reason: Error) => void },
): Promise<void> {
  const isOurs = await isReached().catch(() => undefined)
  if (isOurs) return taken()
  socket.destroy()
  const who = isOurs === undefined ? 'nobody can be seen to listen' : 'another process listens, or none,'
  // As if nobody had listened there: nothing has been sent, and whoever comes next may be asked.
  const reason = new Error(`${who} at the address of the generation`)
  return refused(Object.assign(reason, { code: 'ECONNREFUSED', syscall: 'connect' }))
}

/**
 * Connections to one generation, kept between requests. One exchange at a time on each, and as many as are needed:
 * how long and how many is bounded by those who hold leases. Destroyed by whoever opened it.
 * @param isReached see `Lease`
 */
export function openPool(address: Address, isReached?: Lease['isReached']): Pool {
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
        if (isReached === undefined) return callback(null, socket)
        return void vouch(socket, isReached, {
          taken: () => callback(null, socket),
          refused: (reason) => callback(reason, null),
        })
      }),
    maxHeaderSize: MAX_ANSWER_HEAD,
    keepAliveTimeout: KEEP_ALIVE,
    // How long an application may take is for the request to say; an answer that has begun may go on for ever.
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}

/** `createConnection` of node:http: a connection of its own, for an exchange that cannot share one. */
export function ownConnection({ address, isReached }: Pick<Lease, 'address' | 'isReached'>) {
  return (_options: unknown, done: (error: Error | null, socket: Socket) => void): Socket | undefined => {
    const socket = openSocket(address)
    if (isReached === undefined) return socket
    const fail = (error: Error) => done(error, socket)
    socket.once('error', fail)
    socket.once('connect', () => {
      void vouch(socket, isReached, { taken: () => done(null, socket.off('error', fail)), refused: fail })
    })
    return undefined
  }
}

function openSocket(address: Address): Socket {
  const where =
    'socketPath' in address ? { path: address.socketPath } : { host: '127.0.0.1', port: address.port }
  const socket = connect({ ...where, allowHalfOpen: true, noDelay: true, keepAlive: true })
  const late = new errors.ConnectTimeoutError('connecting took too long')
  const limit = setTimeout(() => socket.destroy(late), CONNECT_LIMIT)
  const done = () => clearTimeout(limit)
  return socket.once('connect', done).once('close', done)
}

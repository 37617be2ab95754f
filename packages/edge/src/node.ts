import { once } from 'node:events'
import { createServer, ServerResponse, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { Problem, type HostName } from '@mux/contract'
import { problemResponse } from './answer.ts'
import { createApp } from './app.ts'
import { clientErrorAnswer } from './client-error.ts'
import { createFailureCounter } from './failures.ts'
import type { InstanceHost } from './instance-host.ts'
import type { Log } from './log-event.ts'
import { NodeExchange } from './node-exchange.ts'
import type { RegistryReader } from './registry/registry.ts'
import { createSessions } from './session.ts'

export interface NodeEdgeOptions {
  registry: RegistryReader
  /** The instances in this process. */
  host: InstanceHost
  /** The name of the host that {@link host} is: whoever's instance is on another one is answered 421. */
  hostName: HostName
  /** At least 32 bytes each; the first signs, all are accepted. */
  sessionKeys: readonly [Uint8Array, ...Uint8Array[]]
  identityHeader: string
  /** Port 0: any that is free. */
  listen: { host: string; port: number }
  log: Log
  /** Milliseconds since the epoch. */
  now?: () => number
}

export interface NodeEdge {
  /** @throws the error of the system, such as EADDRINUSE, when the address cannot be had */
  listen(): Promise<{ url: string; port: number }>
  /**
   * Takes no more connections, lets what is under way come to its end, and ends what is left then. Called again, it
   * ends what is left at the earlier of the two limits.
   * @param limit milliseconds
   */
  close(limit: number): Promise<void>
}

/** The size of all headers of a request together, in bytes; more is answered 431. */
const MAX_HEADER_SIZE = 64 * 1024
/** How long the head of a request may take, in milliseconds. Its body may take as long as it moves. */
const HEADERS_TIMEOUT = 15_000
const CHECK_INTERVAL = 5_000
/** Longer than the 60 s that load balancers keep a connection, so that it is never closed under a request of theirs. */
const KEEP_ALIVE_TIMEOUT = 75_000
/** How long a body is read and thrown away whose request has been answered without it, in milliseconds. */
const DISCARD_LIMIT = 30_000
/** How often connections that have become idle are closed while the edge closes, in milliseconds. */
const IDLE_CHECK = 50

/** The edge on Node, in one process with the instances' supervisor. */
export function createNodeEdge(options: NodeEdgeOptions): NodeEdge {
  const { registry, identityHeader, log, now = Date.now } = options
  const sessions = createSessions({ keys: options.sessionKeys, now })
  const app = createApp({
    registry,
    sessions,
    failures: createFailureCounter({ now }),
    identityHeader,
    log,
    now,
  })
  const answering = new Set<ServerResponse>()
  const upgraded = new Set<Duplex>()
  const latestOn = new WeakMap<Socket, ServerResponse>()
  let closed: Promise<void> | undefined

  const server = createServer({
    maxHeaderSize: MAX_HEADER_SIZE,
    headersTimeout: HEADERS_TIMEOUT,
    requestTimeout: 0,
    connectionsCheckingInterval: CHECK_INTERVAL,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    // A missing Host is refused by the chain, in the words of the chain.
    requireHostHeader: false,
  })
  // All headers or an error, never some of them: their number is bounded by their size.
  server.maxHeadersCount = 0

  /**
   * Takes the requests of one connection one after the other. Node hands over at once what a client sent ahead, and a
   * request behind one that was refused for its framing may be no request at all.
   */
  function serveInTurn(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { socket } = incoming
    const before = latestOn.get(socket)
    latestOn.set(socket, outgoing)
    if (before === undefined || before.closed) serve(incoming, outgoing)
    else
      before.once('close', () => {
        if (before.shouldKeepAlive && !socket.destroyed) serve(incoming, outgoing)
      })
  }

  function serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (closed !== undefined) outgoing.shouldKeepAlive = false
    answering.add(outgoing)
    outgoing.once('close', () => answering.delete(outgoing))
    const exchange = new NodeExchange(incoming, { outgoing }, options)
    // The adapter would parse the target, and refuse some that an instance may want; the chain reads the exchange's.
    incoming.url = '/'
    const listener = getRequestListener(
      async (request) => {
        const response = await app.fetch(request, { exchange })
        if (exchange.handedOn) return response
        // Where a request is not understood, nobody knows where the next one begins.
        if (response.status === 400) outgoing.shouldKeepAlive = false
        if (!incoming.complete) leaveBody(incoming, outgoing)
        return response
      },
      {
        overrideGlobalObjects: false,
        autoCleanupIncoming: false,
        // What the adapter throws itself is a Host that makes no URL.
        errorHandler: () => {
          outgoing.shouldKeepAlive = false
          return problemResponse(new Problem('bad_request'), exchange.requestId)
        },
      },
    )
    void listener(incoming, outgoing)
  }

  async function serveUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    // A client may vanish at any time, and its `close` says all there is to say.
    socket.on('error', () => {})
    try {
      const exchange = new NodeExchange(incoming, { socket, head }, options)
      const response = await app.fetch(new Request('http://edge.invalid/'), { exchange })
      if (!exchange.handedOn) await answerOnSocket(incoming, socket, response)
    } catch (error) {
      log({ event: 'upgrade_failed', error })
      socket.destroy()
    }
  }

  server.on('request', serveInTurn)
  // Told apart from `request` so that nobody is asked for a body before they have proven who they are.
  server.on('checkContinue', serveInTurn)
  const onUpgrade = (...taken: Parameters<typeof serveUpgrade>) => void serveUpgrade(...taken)
  server.on('upgrade', onUpgrade)
  server.on('connect', onUpgrade)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const begun = [...answering].some((outgoing) => outgoing.socket === socket && outgoing.headersSent)
    if (begun || !socket.writable || error.code === 'ECONNRESET') socket.destroy()
    else socket.end(clientErrorAnswer(error.code, crypto.randomUUID()), () => socket.destroy())
  })

  return {
    async listen() {
      server.listen(options.listen.port, options.listen.host)
      await once(server, 'listening')
      const { address, family, port } = server.address() as AddressInfo
      return { url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`, port }
    },

    async close(limit) {
      if (server.listening) closed = drain()
      const end = setTimeout(() => {
        server.closeAllConnections()
        for (const socket of upgraded) socket.destroy()
      }, limit)
      await closed
      clearTimeout(end)
    },
  }

  async function drain(): Promise<void> {
    server.close()
    for (const outgoing of answering) outgoing.shouldKeepAlive = false
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK)
    await once(server, 'close')
    clearInterval(idle)
  }
}

/** A client that waits to be asked for its body may or may not still send it: the connection can carry no other request. */
function leaveBody(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (incoming.headers.expect !== undefined) outgoing.shouldKeepAlive = false
  const { socket } = incoming
  const limit = setTimeout(() => socket.destroy(), DISCARD_LIMIT)
  const done = () => {
    clearTimeout(limit)
    socket.off('close', done)
  }
  incoming.once('end', done)
  // Not the request's own `close`: a request that has been answered is not told when its connection closes.
  socket.once('close', done)
  incoming.resume()
}

/** A refused upgrade is answered like any request, and the connection ends with it. */
async function answerOnSocket(incoming: IncomingMessage, socket: Duplex, response: Response): Promise<void> {
  const body = await response.text()
  const outgoing = new ServerResponse(incoming)
  outgoing.shouldKeepAlive = false
  outgoing.assignSocket(socket as Socket)
  outgoing.writeHead(response.status, [...response.headers].flat())
  outgoing.end(body, () => socket.end(() => socket.destroy()))
}

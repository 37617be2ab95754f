import { ServerResponse, type IncomingMessage } from 'node:http'
import { isIPv6, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import {
  type Admit,
  capConnections,
  type Certificate,
  Connections,
  createFrontServer,
  isOfTls,
  listenOn,
  type ListenPlace,
  OpenExchanges,
} from '@mux/connections'
import { clientErrorAnswer, Problem, wholeAnswer, type HostName } from '@mux/contract'
import { problemResponse } from './answer.ts'
import { createApp, pathOf } from './app.ts'
import { openEdgeState } from './edge-state.ts'
import { createEndedSessions } from './ended-sessions.ts'
import { createFailureCounter } from './failures.ts'
import { HashThread } from './hash-thread.ts'
import type { InstanceHost } from './instance-host.ts'
import { isReservedPath } from './local-path.ts'
import type { Log } from './log-event.ts'
import { NodeExchange } from './node-exchange.ts'
import type { OpenExchange } from './open-exchange.ts'
import type { Brand } from './pages/brand.ts'
import type { RegistryReader, RegistryStore } from './registry/registry.ts'
import { createRehash } from './rehash.ts'
import { Revocation } from './revocation.ts'
import { createSessions, type SessionKeys, type SessionLimits } from './session.ts'
import { signOutEverywhere } from './sign-out.ts'
import { createTokenUse } from './token-use.ts'
import { type Network, TrustedProxies } from './trusted-proxies.ts'

export interface EdgeLimits {
  /** Connections that are open at once; one more is answered `too_many_connections` as it comes, and closed. */
  connections: number
  /** Requests and sockets that a user has under way at once; one more is answered `too_many_requests`. */
  requests: number
  /** Milliseconds in which a client has to take something of what is written to it; then its connection is closed. */
  body: number
}

export interface NodeEdgeOptions {
  registry: RegistryReader & Pick<RegistryStore, 'change'>
  /** The instances in this process. */
  host: InstanceHost
  /** The name of the host that {@link host} is: whoever's instance is on another one is answered 421. */
  hostName: HostName
  sessionKeys: SessionKeys
  sessionLimits?: SessionLimits
  /** File in which the edge keeps what it knows itself; `:memory:` for none. */
  stateFile: string
  identityHeader: string
  /** Whether each user has cookies of their own with each instance; true if absent. */
  isolateCookies?: boolean
  brand?: Brand
  /** Whose word about the client, the scheme and the host of a request is taken; nobody's by default. */
  trustedProxies?: readonly Network[]
  limits?: Partial<EdgeLimits>
  /** Speaks TLS, and nothing else; without one, plain HTTP. */
  certificate?: Certificate
  listen: ListenPlace
  log: Log
  /** Milliseconds since the epoch. */
  now?: () => number
}

export interface NodeEdge {
  /** @throws as `listenOn` */
  listen(admit?: Admit): Promise<{ url: string; port: number }>
  /**
   * Takes no more connections, but what is on its way on those that are open, until every request that came is being
   * answered: from then on nothing new is asked of the instances.
   * @param limit milliseconds
   */
  settle(limit: number): Promise<void>
  /**
   * As `settle`; lets what is under way come to its end, and ends what is left then. Called again, it
   * ends what is left at the earlier of the two limits.
   * @param limit milliseconds
   */
  close(limit: number): Promise<void>
  /** Signs sessions with other keys from now on. */
  useSessionKeys(keys: SessionKeys): void
  /** Greets who connects from now on with another certificate; for an edge that was made with one. */
  useCertificate(certificate: Certificate): void
}

/** The size of all headers of a request together, in bytes; more is answered 431. */
const MAX_HEADER_SIZE = 64 * 1024
/** How long the head of a request may take, in milliseconds. Its body may take as long as it moves. */
const HEADERS_TIMEOUT = 15_000
const CHECK_INTERVAL = 5_000
/** Longer than the 60 s that load balancers keep a connection, so that it is never closed under a request of theirs. */
const KEEP_ALIVE_TIMEOUT = 75_000
/** After how much silence the kernel asks whether a client is still there, as one that lost its network is not, in milliseconds. */
const SILENCE = 60_000
/** How long a body is read and thrown away whose request has been answered without it, in milliseconds. */
const DISCARD_LIMIT = 30_000
const DEFAULT_LIMITS: EdgeLimits = { connections: 10_000, requests: 1_000, body: 60_000 }

/** The edge on Node, in one process with the instances' supervisor. */
export function createNodeEdge(options: NodeEdgeOptions): NodeEdge {
  const { registry, identityHeader, trustedProxies = [], log, now = Date.now } = options
  const sessions = createSessions({
    keys: options.sessionKeys,
    now,
    ...(options.sessionLimits === undefined ? {} : { limits: options.sessionLimits }),
  })
  const state = openEdgeState(options.stateFile, log)
  const endedSessions = createEndedSessions({
    store: state.endedSessions,
    endOf: sessions.endOf,
    endAll: (user) => signOutEverywhere(registry, user, now()),
    now,
  })
  const rehash = createRehash({ store: registry, log })
  const hashThread = new HashThread()
  const open = new OpenExchanges<OpenExchange>()
  let revocation: Revocation | undefined
  const proxies = trustedProxies.length === 0 ? undefined : new TrustedProxies(trustedProxies)
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const forwarding = { ...options, open, proxies, maxRequests: limits.requests }
  const app = createApp({
    registry,
    tokenUse: createTokenUse({ store: registry, log, now }),
    rehash,
    compareForeign: hashThread.compare,
    sessions,
    endedSessions,
    failures: createFailureCounter({ store: state.failures, now }),
    identityHeader,
    isolateCookies: options.isolateCookies ?? true,
    brand: options.brand ?? {},
    log,
    now,
  })
  const latestOn = new WeakMap<Socket, ServerResponse>()

  const serverOptions = {
    maxHeaderSize: MAX_HEADER_SIZE,
    headersTimeout: HEADERS_TIMEOUT,
    requestTimeout: 0,
    connectionsCheckingInterval: CHECK_INTERVAL,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    keepAlive: true,
    keepAliveInitialDelay: SILENCE,
    // A missing Host is refused by the chain, in the words of the chain.
    requireHostHeader: false,
  }
  const { server, isSecure, useCertificate } = createFrontServer(serverOptions, options.certificate)
  // All headers or an error, never some of them: their number is bounded by their size.
  server.maxHeadersCount = 0
  capConnections(server, {
    most: limits.connections,
    answer: () => wholeAnswer(new Problem('too_many_connections', { retryAfter: 1 }), crypto.randomUUID()),
    full: () => log({ event: 'connections_full', connections: limits.connections }),
  })
  const connections = new Connections(server, {
    patience: limits.body,
    cut: (count) => log({ event: 'clients_stalled', connections: count }),
  })

  /**
   * Takes the requests of one connection one after the other. Node hands over at once what a client sent ahead, and a
   * request behind one that was refused for its framing may be no request at all.
   */
  function serveInTurn(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { socket } = incoming
    const before = latestOn.get(socket)
    latestOn.set(socket, outgoing)
    behind(before, socket, () => connections.answers(outgoing, () => void serve(incoming, outgoing)))
  }

  /** An upgrade has its turn, too: what the instance says would come before the answer to the request ahead of it. */
  function upgradeInTurn(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    connections.upgrades(socket)
    // A client may vanish at any time, and its `close` says all there is to say.
    socket.on('error', () => {})
    behind(latestOn.get(socket as Socket), socket, () => void serveUpgrade(incoming, socket, head))
  }

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const exchange = new NodeExchange(incoming, { outgoing }, forwarding)
    if (isReservedPath(pathOf(exchange.target))) return servePage(exchange, incoming, outgoing)
    try {
      const response = await app.fetch(bareRequest(exchange.method), { exchange })
      if (exchange.handedOn) return
      leaveRequest(incoming, outgoing, response)
      await answerWhole(outgoing, response)
    } catch (error) {
      log({ event: 'answer_failed', request_id: exchange.requestId, error })
      outgoing.destroy()
    }
  }

  /** A page of ours may read a form, which takes a real Request: what an instance serves is not made to wait for one. */
  async function servePage(
    exchange: NodeExchange,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): Promise<void> {
    // The adapter would parse the target, and refuse some that may come; the chain reads the exchange's.
    incoming.url = '/'
    const listener = getRequestListener(
      async (request) => {
        const response = await app.fetch(request, { exchange })
        leaveRequest(incoming, outgoing, response)
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
    await listener(incoming, outgoing)
  }

  async function serveUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    try {
      const exchange = new NodeExchange(incoming, { socket, head }, forwarding)
      const response = await app.fetch(bareRequest(exchange.method), { exchange })
      if (!exchange.handedOn) await answerOnSocket(incoming, socket, response)
    } catch (error) {
      log({ event: 'upgrade_failed', error })
      socket.destroy()
    }
  }

  server.on('request', serveInTurn)
  // Told apart from `request` so that nobody is asked for a body before they have proven who they are.
  server.on('checkContinue', serveInTurn)
  // An expectation that nobody knows may be ignored (RFC 9110 section 10.1.1), and is not passed on.
  server.on('checkExpectation', serveInTurn)
  server.on('upgrade', upgradeInTurn)
  server.on('connect', upgradeInTurn)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const cannotBeTold = error.code === 'ECONNRESET' || isOfTls(error)
    if (connections.hasBegun(socket) || !socket.writable || cannotBeTold) socket.destroy()
    else socket.end(clientErrorAnswer(error.code, crypto.randomUUID()), () => socket.destroy())
  })

  return {
    async listen(admit) {
      const { address, port } = await listenOn(server, options.listen, admit)
      const host = isIPv6(address) ? `[${address}]` : address
      revocation = new Revocation(open)
      return { url: `http${isSecure ? 's' : ''}://${host}:${port}`, port }
    },
    settle: (limit) => connections.settle(limit),
    async close(limit) {
      await connections.close(limit)
      revocation?.stop()
      rehash.stop()
      await hashThread.close()
      state.close()
    },
    useSessionKeys: (keys) => sessions.useKeys(keys),
    useCertificate,
  }
}

function behind(before: ServerResponse | undefined, socket: Duplex, serve: () => void): void {
  if (before === undefined || before.closed) serve()
  else
    before.once('close', () => {
      if (before.shouldKeepAlive && !socket.destroyed) serve()
    })
}

/** The chain reads the exchange; of a Request, Hono itself reads the method and no more. */
function bareRequest(method: string): Request {
  return { method } as Request
}

/** Sees to what comes behind a request that mux answers itself. */
function leaveRequest(incoming: IncomingMessage, outgoing: ServerResponse, { status }: Response): void {
  // Where a request is not understood, nobody knows where the next one begins.
  if (status === 400 || status === 408) outgoing.shouldKeepAlive = false
  if (!incoming.complete) leaveBody(incoming, outgoing)
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
  const outgoing = new ServerResponse(incoming)
  outgoing.shouldKeepAlive = false
  outgoing.assignSocket(socket as Socket)
  outgoing.once('finish', () => socket.end(() => socket.destroy()))
  await answerWhole(outgoing, response)
}

/** Writes an answer of mux's own, which is small. */
async function answerWhole(outgoing: ServerResponse, response: Response): Promise<void> {
  const headers = [...response.headers].flat()
  // An answer to HEAD has none, and does not say how long it would be.
  const body = response.body === null ? undefined : Buffer.from(await response.arrayBuffer())
  if (body !== undefined) headers.push('content-length', String(body.length))
  outgoing.writeHead(response.status, headers)
  outgoing.end(body)
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  type Admit,
  capConnections,
  type Certificate,
  Connections,
  createFrontServer,
  cutOff,
  isOfTls,
  listenOn,
  type ListenPlace,
} from '@mux/connections'
import { clientErrorAnswer, type InstanceName, type KnownUser, Problem, wholeAnswer } from '@mux/contract'
import { type AskedRequest, AssertedRequests, type AssertedRequestsOptions } from './asserted-requests.ts'
import type { ForwardOrder } from './forward/order.ts'
import { discardRest } from './forward/request-body.ts'
import { responseOnSocket } from './forward/response-on-socket.ts'
import { createInstanceHost } from './instance-host.ts'
import type { LeaseSource } from './lease.ts'
import {
  answerProblem,
  isUnambiguous,
  type Known,
  NO_REQUEST_ID,
  NOTHING_KNOWN,
  PROBLEM_HEADER,
} from './problem-answer.ts'
import { isControlTarget, RemoteControl, type RemoteControlOptions } from './remote-control.ts'

export interface GatewayLimits {
  /** Connections that are open at once; one more is answered `too_many_connections` as it comes, and closed. */
  connections: number
  /** Requests and sockets that a user has under way at once; one more is answered `too_many_requests`. */
  requests: number
  /**
   * Milliseconds in which something has to come of a body that is being read (see `InstanceHostOptions`), and in which a
   * client has to take something of what is written to it; then its connection is closed.
   */
  body: number
}

export interface GatewayOptions extends AssertedRequestsOptions {
  /** The supervisor. */
  source: LeaseSource
  limits?: Partial<GatewayLimits>
  /** Speaks TLS, and nothing else; without one plain HTTP, for a tunnel or a TLS front on this machine. */
  certificate?: Certificate
  /** How the operator's orders are carried out; absent: nobody can give any here. */
  control?: Omit<RemoteControlOptions, 'host'>
}

/** A host's front for an edge elsewhere: verifies each request's assertion before anything else, and forwards. */
export interface Gateway {
  /** @throws as `listenOn` */
  listen(where: ListenPlace, admit?: Admit): Promise<{ address: string; port: number }>
  /** Greets who connects from now on with another certificate; for a gateway that was made with one. */
  useCertificate(certificate: Certificate): void
  /** See the orders of these names; `known` throws what `floors` does. */
  known(users: readonly KnownUser[]): { raised: number; closed: number }
  hold(instance: InstanceName, milliseconds: number): void
  release(instance: InstanceName): number
  /** Takes what is on its way, and nothing more, until each request is being answered; bounded by `limit` milliseconds. */
  settle(limit: number): Promise<void>
  /** Lets requests end for up to `limit` milliseconds. */
  close(limit: number): Promise<void>
}

type Refuse = (problem: Problem, known: Known) => void

const DEFAULT_LIMITS: GatewayLimits = { connections: 10_000, requests: 1_000, body: 60_000 }

export function createGateway(options: GatewayOptions): Gateway {
  const { host, source, identityHeader, now, log } = options
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const instances = createInstanceHost({ source, identityHeader, bodySilence: limits.body })
  const requests = new AssertedRequests(options, limits.requests)
  const control =
    options.control && new RemoteControl({ host, ...options.control }, { bodySilence: limits.body, now, log })
  /** Connections of which nothing more is served: Node hands over what was sent behind a request that was the last. */
  const spent = new WeakSet<Duplex>()
  const latestOn = new WeakMap<Duplex, ServerResponse>()

  /** What is for the operator is dealt with apart: an assertion of an edge opens nothing there. */
  async function serveControl(
    incoming: IncomingMessage,
    outgoing: ServerResponse | undefined,
    refuse: Refuse,
  ): Promise<void> {
    try {
      if (outgoing === undefined || control === undefined) throw new Problem('assertion_invalid')
      await control.serve(control.verify(incoming), incoming, outgoing)
    } catch (error) {
      refuseSafely(incoming, refuse, error, NOTHING_KNOWN)
    }
  }

  async function serve(request: AskedRequest, refuse: Refuse): Promise<void> {
    const { incoming, upgrade } = request
    let known = NOTHING_KNOWN
    try {
      const assertion = requests.verify(incoming, upgrade)
      known = { requestId: assertion.decision.requestId, proof: assertion.proof }
      if (!isUnambiguous(incoming)) throw new Problem('bad_request')
      await requests.serve(assertion, request)
    } catch (error) {
      refuseSafely(incoming, refuse, error, known)
    }
  }

  function refuseSafely({ socket }: IncomingMessage, refuse: Refuse, error: unknown, known: Known): void {
    try {
      refuse(toPublic(error, known.requestId), known)
    } catch (reason) {
      // No connection is worth the end of the host.
      log({ event: 'request_failed', request: known.requestId, reason: String(reason) })
      socket.destroy()
    }
  }

  function toPublic(error: unknown, requestId: string): Problem {
    if (!(error instanceof Problem)) {
      log({ event: 'request_failed', request: requestId, reason: String(error) })
      return new Problem('internal', { cause: error })
    }
    // The edge sent it here because this host is said to have it.
    return error.code === 'instance_undefined' ? new Problem('misdirected', { cause: error }) : error
  }

  function onRequest(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { socket } = incoming
    if (spent.has(socket)) return
    latestOn.set(socket, outgoing)
    const refuse: Refuse = (problem, known) => {
      // Where a request is not understood, nobody knows where the next one begins.
      const isLast =
        problem.code === 'assertion_invalid' || problem.code === 'bad_request' || problem.status === 408
      if (!isLast) discardRest(incoming)
      else {
        spent.add(socket)
        outgoing.shouldKeepAlive = false
      }
      answerProblem(outgoing, problem, known)
    }
    connections.answers(outgoing, () => {
      if (isControlTarget(incoming.url!)) void serveControl(incoming, outgoing, refuse)
      else {
        const forward = (order: ForwardOrder) => instances.request(incoming, outgoing, order)
        void serve({ incoming, upgrade: false, breakOff: () => cutOff(outgoing), forward }, refuse)
      }
    })
  }

  function onUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    connections.upgrades(socket)
    // Before any wait: from here on nobody else listens.
    socket.on('error', () => {})
    const before = latestOn.get(socket)
    if (before === undefined || before.closed) joinUpgrade(incoming, socket, head)
    else
      // What the instance says would come before the answer to the request ahead of it.
      before.once('close', () => {
        if (!spent.has(socket) && !socket.destroyed) joinUpgrade(incoming, socket, head)
      })
  }

  function joinUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse: Refuse = (problem, known) =>
      answerProblem(responseOnSocket(incoming, socket), problem, known)
    const revocation = new AbortController()
    const forward = async (order: ForwardOrder): Promise<void> => {
      if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') throw new Problem('bad_request')
      await instances.upgrade(incoming, socket, head, { ...order, revoked: revocation.signal })
    }
    if (isControlTarget(incoming.url!)) void serveControl(incoming, undefined, refuse)
    else void serve({ incoming, upgrade: true, breakOff: () => revocation.abort(), forward }, refuse)
  }

  const serverOptions = {
    maxHeaderSize: 64 * 1024,
    headersTimeout: 15_000,
    // An upload may take as long as it takes; a connection between requests may not.
    requestTimeout: 0,
    connectionsCheckingInterval: 5_000,
    // Longer than a front keeps its idle connections, so that it is never the one to be surprised.
    keepAliveTimeout: 120_000,
    // After so much silence the kernel asks whether the client is still there, as one that lost its network is not.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    // A missing Host is refused in the words of all that is refused.
    requireHostHeader: false,
  }
  const { server, useCertificate } = createFrontServer(serverOptions, options.certificate)
  // All headers or an error, never some of them: their number is bounded by their size.
  server.maxHeadersCount = 0
  capConnections(server, {
    most: limits.connections,
    answer: () =>
      wholeAnswer(new Problem('too_many_connections', { retryAfter: 1 }), NO_REQUEST_ID, PROBLEM_HEADER),
    full: () => log({ event: 'connections_full', connections: limits.connections }),
  })
  server.on('request', onRequest).on('checkContinue', onRequest).on('checkExpectation', onRequest)
  server.on('upgrade', onUpgrade)
  const connections = new Connections(server, {
    patience: limits.body,
    cut: (count) => log({ event: 'clients_stalled', connections: count }),
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const cannotBeTold = error.code === 'ECONNRESET' || isOfTls(error)
    if (connections.hasBegun(socket) || !socket.writable || cannotBeTold) socket.destroy()
    else socket.end(clientErrorAnswer(error.code, NO_REQUEST_ID, PROBLEM_HEADER), () => socket.destroy())
  })

  return {
    listen: (where, admit) => listenOn(server, where, admit),
    useCertificate,
    known: (users) => requests.known(users),
    hold: (instance, milliseconds) => requests.hold(instance, milliseconds),
    release: (instance) => requests.release(instance),
    settle: (limit) => {
      requests.close()
      return connections.settle(limit)
    },
    close: async (limit) => {
      requests.close()
      await Promise.all([connections.close(limit), control?.close()])
      // For what has come meanwhile on connections that were open.
      requests.close()
    },
  }
}

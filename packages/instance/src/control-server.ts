import { lstatSync, unlinkSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { Connections } from '@mux/connections'
import { CONTROL_MAX_BODY, CONTROL_PATH } from '@mux/contract'
import { type HandleOrder, notUnderstood, replyTo, sendReply } from './control-reply.ts'
import type { LogEvent } from './log-event.ts'

export interface ControlServerOptions {
  /** Absolute path of the socket; at most 107 bytes, which is all that a socket's address can hold. */
  socketPath: string
  handle: HandleOrder
  log: (event: LogEvent) => void
}

export interface ControlServer {
  /** Lets orders under way end for up to `limit` milliseconds. */
  close(limit: number): Promise<void>
}

/** More clients at once than this are turned away at the door. */
const MAX_CLIENTS = 256
/** How long a client may take to say what it wants, in milliseconds. */
const REQUEST_LIMIT = 5_000

/**
 * Takes the operator's orders on a Unix socket that nobody else may open. The status of a reply is for the curious;
 * what counts is its body.
 * @throws when the socket cannot be made, and when somebody answers on it already
 */
export async function serveControl({
  socketPath,
  handle,
  log,
}: ControlServerOptions): Promise<ControlServer> {
  const server = createServer({
    headersTimeout: REQUEST_LIMIT,
    requestTimeout: REQUEST_LIMIT,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 8 * 1024,
  })
  server.maxConnections = MAX_CLIENTS
  server.on('request', (incoming, outgoing) => {
    connections.answers(outgoing, () => {
      void replyTo(() => readBody(incoming), handle, log).then((reply) => sendReply(outgoing, reply))
    })
  })
  const connections = new Connections(server)

  await clearStaleSocket(socketPath)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // Binding happens inside listen(), so the socket has this mode from its first moment.
    const umask = process.umask(0o177)
    try {
      server.listen(socketPath, () => {
        server.off('error', reject)
        resolve()
      })
    } finally {
      process.umask(umask)
    }
  })
  return { close: (limit) => connections.close(limit) }
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  if (incoming.method !== 'POST' || incoming.url !== CONTROL_PATH) throw notUnderstood('it is sent elsewhere')
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > CONTROL_MAX_BODY) break
      chunks.push(chunk)
    }
  } catch {
    throw notUnderstood('it breaks off')
  }
  if (size > CONTROL_MAX_BODY) throw notUnderstood(`it is longer than ${CONTROL_MAX_BODY} bytes`)
  return Buffer.concat(chunks).toString('utf8')
}

/** Removes the socket that a dead supervisor left. The host's lock sees to it that no live one is about to listen. */
async function clearStaleSocket(socketPath: string): Promise<void> {
  const entry = lstatSync(socketPath, { throwIfNoEntry: false })
  if (!entry) return
  const inUse = Object.assign(new Error('something else is in the place of the control socket'), {
    code: 'EADDRINUSE',
  })
  if (!entry.isSocket() || (await isAnswered(socketPath))) throw inUse
  unlinkSync(socketPath)
}

function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socketPath)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    // Only a refusal proves that nobody is there.
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
}

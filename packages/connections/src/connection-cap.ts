import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'

/** How many of those who are too many are told so at a time; others are closed unheard, which costs next to nothing. */
const TOLD_AT_ONCE = 256
/** How long one has to take what it is told, in milliseconds. */
const TELLING = 1_000
/** How often it is said that there are too many, in milliseconds: whoever opens too many opens many. */
const NOTED_EVERY = 60_000

export interface ConnectionCapOptions {
  /** Connections that are open at once. */
  most: number
  /** The whole answer to one more: it is written as it comes, whatever it would have asked. By TLS, it is closed without a word. */
  answer: () => string
  /** Told once a minute at most. */
  full: () => void
}

/** Has a server take so many connections at once, and refuse one more. To be called before anything else listens for them. */
export function capConnections(server: Server, { most, answer, full }: ConnectionCapOptions): void {
  const serve = server.listeners('connection') as ((this: Server, socket: Socket) => void)[]
  const isSecure = server instanceof TlsServer
  let open = 0
  let notedAt = -Infinity
  const note = () => {
    if (performance.now() - notedAt < NOTED_EVERY) return
    notedAt = performance.now()
    full()
  }
  // The kernel's part of a connection that is over this is closed before there is a socket for it here.
  server.maxConnections = most + TOLD_AT_ONCE
  server.on('drop', note)
  server.removeAllListeners('connection')
  // Node offers no way to refuse a connection but to keep it from the listener that reads requests of it.
  server.on('connection', (socket: Socket) => {
    if (open >= most) {
      note()
      if (isSecure) socket.destroy()
      else tell(socket, answer())
      return
    }
    open++
    socket.once('close', () => open--)
    for (const listener of serve) listener.call(server, socket)
  })
}

function tell(socket: Socket, text: string): void {
  const limit = setTimeout(() => socket.destroy(), TELLING)
  socket.once('close', () => clearTimeout(limit))
  socket.on('error', () => {})
  // What it has sent is read: closed over that, the connection would be reset, and the answer with it.
  socket.resume()
  socket.end(text)
}

import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/** The open connections of a server, upgraded ones included, so that closing it has an end. */
export class ServerConnections {
  readonly #server: Server
  readonly #open = new Set<Socket>()
  /** Those that have not brought a request yet, which Node does not count as idle. */
  readonly #unused = new Set<Socket>()

  constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket)
      this.#unused.add(socket)
      socket.once('close', () => {
        this.#open.delete(socket)
        this.#unused.delete(socket)
      })
    })
    const used = ({ socket }: IncomingMessage) => this.#unused.delete(socket)
    server.on('request', used).on('checkContinue', used).on('upgrade', used)
  }

  /** Accepts nothing new, lets what is under way end, and after `limit` milliseconds ends it. */
  close(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const hardEnd = setTimeout(() => {
        for (const socket of this.#open) socket.destroy()
      }, limit)
      this.#server.close(() => {
        clearTimeout(hardEnd)
        resolve()
      })
      this.#server.closeIdleConnections()
      for (const socket of this.#unused) socket.destroy()
    })
  }
}

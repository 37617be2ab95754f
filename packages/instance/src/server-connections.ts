import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** The open connections of a server, upgraded ones included, so that closing it has an end. */
export class ServerConnections {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** Accepts nothing new, lets what is under way end, and after `limit` milliseconds ends it. */
  close(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const hardEnd = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy()
      }, limit)
      this.#server.close(() => {
        clearTimeout(hardEnd)
        resolve()
      })
      this.#server.closeIdleConnections()
    })
  }
}

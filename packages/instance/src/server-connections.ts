import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as immediately, setTimeout as delay } from 'node:timers/promises'
import { Stalls } from '@mux/contract'

/** How long a connection that carries no request may bring one when a server is to settle, in milliseconds. */
const LAST_REQUESTS = 500
/** How often connections are looked at meanwhile, in milliseconds. */
const LOOK_EVERY = 25
/** How often it is looked whether clients take what is written to them, in parts of their time for it. */
const LOOKS_FOR_STALLS = 4

/** The open connections of a server, upgraded ones included, so that closing it loses no request and has an end. */
export class ServerConnections {
  readonly #server: Server
  readonly #open = new Set<Socket>()
  readonly #answering = new Set<ServerResponse>()
  readonly #upgraded = new Set<Socket>()
  #closed: Promise<void> | undefined

  /** @param patience milliseconds in which a client has to take something of what waits for it; then it is closed. Absent: none */
  constructor(server: Server, patience?: number) {
    this.#server = server
    if (patience !== undefined) server.once('listening', () => this.#endStalled(patience))
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket)
      socket.once('close', () => {
        this.#open.delete(socket)
        this.#upgraded.delete(socket)
      })
    })
    const answers = (_: IncomingMessage, outgoing: ServerResponse) => {
      this.#answering.add(outgoing)
      outgoing.once('close', () => this.#answering.delete(outgoing))
    }
    server.on('request', answers).on('checkContinue', answers).on('checkExpectation', answers)
    server.on('upgrade', ({ socket }: IncomingMessage) => this.#upgraded.add(socket))
  }

  /** True when part of an answer is on this connection. */
  hasBegun(socket: Duplex): boolean {
    return [...this.#answering].some((outgoing) => outgoing.socket === socket && outgoing.headersSent)
  }

  /**
   * Accepts nothing new, but the requests that are on their way on connections that are open; their answers have to say
   * that they are the last. Returns when every request that came is being answered, or after `limit` milliseconds.
   */
  async settle(limit: number): Promise<void> {
    void this.#leave()
    const end = performance.now() + limit
    const quietSince = new Map<Socket, number>()
    for (;;) {
      const now = performance.now()
      const quiet = this.#quiet()
      for (const socket of quietSince.keys()) if (!quiet.has(socket)) quietSince.delete(socket)
      for (const socket of quiet) {
        const since = quietSince.get(socket) ?? now
        quietSince.set(socket, since)
        if (now - since >= LAST_REQUESTS) socket.destroy()
      }
      const waiting = [...this.#answering].some(({ headersSent }) => !headersSent)
      if ((quiet.size === 0 && !waiting) || now >= end) return
      await delay(LOOK_EVERY)
      // What has come by now is read before this goes on, so that it does not pass for quiet.
      await immediately()
    }
  }

  /** Accepts nothing new, lets what is under way end, and after `limit` milliseconds ends it. */
  async close(limit: number): Promise<void> {
    const closed = this.#leave()
    const look = setInterval(() => this.#server.closeIdleConnections(), LOOK_EVERY)
    const hardEnd = setTimeout(() => {
      for (const socket of this.#open) socket.destroy()
    }, limit)
    for (const socket of this.#quiet()) socket.destroy()
    await closed
    clearTimeout(hardEnd)
    clearInterval(look)
  }

  #endStalled(patience: number): void {
    const stalls = new Stalls<Socket>(patience)
    const look = setInterval(() => {
      for (const socket of stalls.among(this.#open, performance.now())) socket.destroy()
    }, patience / LOOKS_FOR_STALLS)
    this.#server.once('close', () => clearInterval(look))
  }

  #leave(): Promise<void> {
    // Not the one of the HTTP server, which at once closes every connection that is between two requests.
    this.#closed ??= new Promise((resolve) => {
      NetServer.prototype.close.call(this.#server, () => {
        resolve()
        // For the timer by which Node looks after slow requests, and which ends in no other way.
        this.#server.close()
      })
    })
    return this.#closed
  }

  /** Those that carry no request, not even one that has not come whole yet. */
  #quiet(): Set<Socket> {
    const quiet = new Set(this.#open)
    for (const { socket } of this.#answering) if (socket) quiet.delete(socket)
    for (const socket of this.#upgraded) quiet.delete(socket)
    return quiet
  }
}

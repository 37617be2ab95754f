import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as immediately, setTimeout as delay } from 'node:timers/promises'
import { Server as TlsServer } from 'node:tls'
import { Stalls } from './stalls.ts'

/**
 * How long a connection that carries no request may bring one when a server closes, in milliseconds. A client that
 * keeps a connection cannot know yet; closed at once, the request that is on its way would be lost.
 */
const LAST_REQUESTS = 500
/** How often connections are looked at while a server closes, in milliseconds. */
const LOOK_EVERY = 25
/**
 * How long nobody has to come before a listening socket is closed, and how long that is waited for, in milliseconds; and how
 * many are taken in any case, who on a busy machine may have waited from the beginning.
 */
const NOBODY_COMES = 10
const SOMEBODY_COMES = 250
const MANY = 128
/** How often it is looked whether clients take what is written to them, in parts of their time for it. */
const LOOKS_FOR_STALLS = 4

export interface ConnectionsOptions {
  /** Milliseconds in which a client has to take something of what waits for it; then it is closed. Absent: as long as it likes. */
  patience?: number
  /** Told how many have been closed for that. */
  cut?: (connections: number) => void
}

/** The open connections of a server, so that closing it loses no request and has an end. */
export class Connections {
  readonly #server: Server
  readonly #open = new Set<Socket>()
  /** Those below a connection by TLS. */
  readonly #greeted = new Set<Socket>()
  readonly #answering = new Set<ServerResponse>()
  readonly #upgraded = new Set<Duplex>()
  /** Since when those have carried no request that still do not, on the monotonic clock; filled while closing. */
  readonly #quietSince = new Map<Socket, number>()
  #left: Promise<void> | undefined
  #closed: Promise<unknown> | undefined
  /** Requests that are not served before the listening socket is closed. */
  #held: (() => void)[] | undefined

  constructor(server: Server, { patience, cut }: ConnectionsOptions = {}) {
    this.#server = server
    if (patience !== undefined) server.once('listening', () => this.#endStalled(patience, cut))
    // A connection by TLS carries requests once hands are shaken; until then, it is one of which nothing is expected.
    const isSecure = server instanceof TlsServer
    if (isSecure) {
      server.on('connection', (socket: Socket) => {
        this.#greeted.add(socket)
        socket.once('close', () => this.#greeted.delete(socket))
      })
    }
    server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#open.add(socket)
      socket.once('close', () => {
        this.#open.delete(socket)
        this.#quietSince.delete(socket)
      })
    })
  }

  /**
   * Has a request served, and counts it as under way until its answer is closed; while closing, it is the last on its
   * connection.
   */
  answers(outgoing: ServerResponse, serve: () => void): void {
    if (this.#left !== undefined) outgoing.shouldKeepAlive = false
    this.#answering.add(outgoing)
    outgoing.once('close', () => this.#answering.delete(outgoing))
    if (this.#held === undefined) serve()
    else this.#held.push(serve)
  }

  upgrades(socket: Duplex): void {
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
  }

  /** True when part of an answer is on this connection. */
  hasBegun(socket: Duplex): boolean {
    return [...this.#answering].some((outgoing) => outgoing.socket === socket && outgoing.headersSent)
  }

  /**
   * Takes no more connections, and no more requests on those that are open, but for what is on its way. The listening
   * socket is closed in this process only: another that holds it keeps those that wait in it.
   * @param limit milliseconds
   * @returns when no request can come any more and each that came is being answered, or at the limit
   */
  async settle(limit: number): Promise<void> {
    const end = performance.now() + limit
    await this.#leave()
    while (this.#mayComeOrWait() && performance.now() < end) await delay(LOOK_EVERY)
  }

  /** As {@link settle}; then lets what is under way come to its end, and ends at the limit what is left. */
  async close(limit: number): Promise<void> {
    const end = setTimeout(() => {
      for (const socket of [...this.#open, ...this.#greeted]) socket.destroy()
    }, limit)
    await this.#leave()
    await this.#closed
    clearTimeout(end)
  }

  #endStalled(patience: number, cut: ConnectionsOptions['cut']): void {
    const stalls = new Stalls<Socket>(patience)
    const end = () => {
      const stalled = stalls.among(this.#open, performance.now())
      for (const socket of stalled) socket.destroy()
      if (stalled.length > 0) cut?.(stalled.length)
    }
    // What was taken by now is told between the timer and the immediate: a process that has not run for a while blames nobody.
    const look = setInterval(() => setImmediate(end), patience / LOOKS_FOR_STALLS)
    this.#server.once('close', () => clearInterval(look))
  }

  #leave(): Promise<void> {
    if (this.#left === undefined && !this.#server.listening) return Promise.resolve()
    return (this.#left ??= this.#stopListening())
  }

  async #stopListening(): Promise<void> {
    this.#closed = once(this.#server, 'close')
    for (const outgoing of this.#answering) {
      // One that has begun may have said already that the connection stays.
      if (!outgoing.headersSent) outgoing.shouldKeepAlive = false
    }
    const held: (() => void)[] = (this.#held = [])
    await this.#acceptWaiting()
    // Not the one of the HTTP server, which at once closes every connection that is between two requests.
    NetServer.prototype.close.call(this.#server)
    this.#held = undefined
    for (const serve of held) serve()
    // What has come by now is read between the timer and the immediate, so that it does not pass for quiet.
    const look = setInterval(() => setImmediate(() => this.#endQuiet()), LOOK_EVERY)
    this.#server.once('close', () => {
      clearInterval(look)
      // For the timer by which Node looks after slow requests, and which ends in no other way.
      this.#server.close()
    })
    this.#endQuiet()
  }

  /**
   * The kernel resets who still waits to be accepted when a listening socket is closed, and Node accepts one connection in
   * each turn of its loop: under load there are as many as there are clients. Who is answered comes again, so nobody is
   * before the socket is closed; then nearly nobody waits. Who comes in the very moment is reset all the same.
   */
  async #acceptWaiting(): Promise<void> {
    let came = 0
    const note = () => came++
    this.#server.on('connection', note)
    const end = performance.now() + SOMEBODY_COMES
    const isOver = () => came >= MANY && performance.now() > end
    let before: number
    do {
      before = came
      await delay(NOBODY_COMES)
      await immediately()
    } while (came > before && !isOver())
    this.#server.off('connection', note)
  }

  #mayComeOrWait(): boolean {
    return this.#quietSince.size > 0 || [...this.#answering].some((outgoing) => !outgoing.headersSent)
  }

  #endQuiet(): void {
    const carrying = new Set<Duplex | null>(this.#upgraded)
    for (const { socket } of this.#answering) carrying.add(socket)
    const now = performance.now()
    for (const socket of this.#open) {
      if (carrying.has(socket)) {
        this.#quietSince.delete(socket)
        continue
      }
      const since = this.#quietSince.get(socket) ?? now
      this.#quietSince.set(socket, since)
      if (now - since >= LAST_REQUESTS) socket.destroy()
    }
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import {
  COMMAND_MAX_HEAD,
  COMMAND_PATH,
  CONTROL_MAX_BODY,
  CONTROL_PATH,
  ControlError,
  decodeCommand,
  type HostName,
  Problem,
  type RemoteCommand,
  SIGNATURE_SKEW,
} from '@mux/contract'
import { CommandOutput } from './command-output.ts'
import { type HandleOrder, notUnderstood, refusalOf, replyTo, sendReply } from './control-reply.ts'
import { bodyFraming } from './forward/headers.ts'
import { ClientGone, RequestBody } from './forward/request-body.ts'
import type { LogEvent } from './log-event.ts'
import { isUnambiguous } from './problem-answer.ts'
import type { SessionProcess } from './session-process.ts'
import { SPOOL_LIMIT, spool, type Spooled, SpoolLimitError } from './spool.ts'
import { type ControlClaim, verifyControl } from './verify-control.ts'
import { within } from './wait.ts'

/** Begins a command of mux in the project of this host. @throws {ControlError} when it is none that may be run from afar */
export type RunCommand = (command: RemoteCommand, stdin: Readable) => Promise<SessionProcess>

export interface RemoteControlOptions {
  /** The name of this host. */
  host: HostName
  /** Its control keys (see `deriveControlKey`); without any, nobody may give orders. */
  keys: () => readonly Uint8Array[]
  /**
   * Notes that a nonce was used, also for the time after a restart of this process.
   * @param until when it may be forgotten, in seconds since the epoch, as `now`
   * @returns false when it had been used before
   */
  takeNonce: (nonce: string, until: number, now: number) => boolean
  handle: HandleOrder
  run: RunCommand
  /** A private directory for what commands read from their standard input. */
  spoolDirectory: string
  /** The longest body of a command, in bytes; 64 GiB if absent. */
  maxBody?: number
}

export interface RemoteControlMeans {
  /** Milliseconds in which something has to come of a body that is being read. */
  bodySilence: number
  /** Milliseconds since the epoch. */
  now: () => number
  log: (event: LogEvent) => void
}

/** Commands that run at once, those included whose input is still coming. */
const MAX_COMMANDS = 16
/** How long commands that run may take to come to their end when the gateway closes, in milliseconds. */
const LAST_COMMANDS = 1_000
/** How long what a command has left behind may go on talking, in milliseconds. */
const LAST_WORDS = 1_000

/** True for a request target that belongs to the operator, and never to an edge. */
export function isControlTarget(target: string): boolean {
  return target === CONTROL_PATH || target === COMMAND_PATH
}

/** Takes the orders of the operator at the gateway, each with a signature of its own. */
export class RemoteControl {
  readonly #options: RemoteControlOptions
  readonly #means: RemoteControlMeans
  readonly #running = new Set<SessionProcess>()
  #commands = 0

  constructor(options: RemoteControlOptions, means: RemoteControlMeans) {
    this.#options = options
    this.#means = means
  }

  /**
   * Settles when it has been answered.
   * @throws {Problem} before anything has been done or answered: `assertion_invalid`, `request_timeout`
   */
  async serve(claim: ControlClaim, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    if (incoming.url === CONTROL_PATH) return this.#takeOrder(incoming, outgoing, claim)
    if (this.#commands >= MAX_COMMANDS) {
      const busy = new ControlError('host_busy', 'This host runs as many commands as it can at once.', {
        hint: 'Try again in a moment.',
      })
      return sendReply(outgoing, refusalOf(busy, this.#means.log))
    }
    this.#commands++
    try {
      await this.#takeCommand(incoming, outgoing, claim)
    } finally {
      this.#commands--
    }
  }

  /** Ends the commands that run, those that follow a log among them. */
  async close(): Promise<void> {
    if (this.#running.size > 0) await delay(LAST_COMMANDS)
    await Promise.all([...this.#running].map((process) => process.end()))
  }

  /**
   * At once, as with an assertion.
   * @throws {Problem} `assertion_invalid`
   */
  verify(incoming: IncomingMessage): ControlClaim {
    const { host, keys, takeNonce } = this.#options
    const seconds = Math.floor(this.#means.now() / 1000)
    const { rawHeaders } = incoming
    const received = { method: incoming.method!, target: incoming.url!, rawHeaders }
    const claim = verifyControl(received, host, keys(), seconds)
    if (typeof claim === 'string') throw this.#refused(claim)
    if (incoming.method !== 'POST' || incoming.httpVersion !== '1.1' || !isUnambiguous(incoming))
      throw this.#refused('framing')
    if (!takeNonce(claim.nonce, claim.expires + SIGNATURE_SKEW, seconds)) throw this.#refused('replayed')
    return claim
  }

  async #takeOrder(incoming: IncomingMessage, outgoing: ServerResponse, claim: ControlClaim): Promise<void> {
    await this.#withBody(incoming, outgoing, claim, CONTROL_MAX_BODY, async (body) => {
      const read = async () => Buffer.from(await body.start(CONTROL_MAX_BODY)).toString('utf8')
      sendReply(outgoing, await replyTo(read, this.#options.handle, this.#means.log))
    })
  }

  async #takeCommand(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    claim: ControlClaim,
  ): Promise<void> {
    const { run, maxBody = SPOOL_LIMIT } = this.#options
    await this.#withBody(incoming, outgoing, claim, maxBody, async (body) => {
      const { command, stdinAt } = decodeCommand(await body.start(COMMAND_MAX_HEAD + 4))
      const stdin = body.from(stdinAt)
      try {
        await this.#attend(await run(command, stdin), outgoing)
      } finally {
        stdin.destroy()
      }
    })
  }

  /** Passes on what a command says, until it and its reader have come to their end. */
  async #attend(process: SessionProcess, outgoing: ServerResponse): Promise<void> {
    this.#running.add(process)
    try {
      if (outgoing.destroyed) return
      const output = new CommandOutput(outgoing)
      outgoing.once('close', () => void process.end())
      const passed = Promise.all([
        output.pass('stdout', process.stdout),
        output.pass('stderr', process.stderr),
      ])
      const code = await process.exited
      if (!(await within(passed, LAST_WORDS))) await process.end()
      await passed
      output.end(code)
    } finally {
      await process.end()
      this.#running.delete(process)
    }
  }

  /**
   * Takes the body whole, and hands it on if it is the one that was signed. What fails before there is an answer is answered.
   * @throws {Problem}
   */
  async #withBody(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { sha256 }: ControlClaim,
    limit: number,
    act: (body: Spooled) => Promise<void>,
  ): Promise<void> {
    let body: Spooled | undefined
    try {
      body = await this.#receive(incoming, outgoing, limit)
      if (body.sha256 !== sha256) throw this.#refused('digest')
      await act(body)
    } catch (error) {
      if (error instanceof ClientGone) return
      if (error instanceof Problem) throw error
      if (outgoing.headersSent) outgoing.destroy()
      else sendReply(outgoing, refusalOf(error, this.#means.log))
    } finally {
      await body?.dispose()
    }
  }

  /** @throws {ControlError} when it is too long, or there is no room for it */
  async #receive(incoming: IncomingMessage, outgoing: ServerResponse, limit: number): Promise<Spooled> {
    const { length, expectsContinue } = bodyFraming(incoming.rawHeaders)!
    if (Number(length ?? 0) > limit) throw notUnderstood(`it is longer than ${limit} bytes`)
    if (expectsContinue) outgoing.writeContinue()
    const source = new RequestBody(incoming, this.#means.bodySilence)
    try {
      return await spool(source, { directory: this.#options.spoolDirectory, limit })
    } catch (error) {
      if (error instanceof SpoolLimitError) throw notUnderstood(`it is longer than ${limit} bytes`)
      if (!isFull(error)) throw error
      throw new ControlError('disk_full', 'This host has no room for what it was sent.', {
        hint: 'Make room on its disk; nothing was done.',
        cause: error,
      })
    }
  }

  #refused(reason: string): Problem {
    this.#means.log({ event: 'control_refused', reason })
    return new Problem('assertion_invalid')
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}

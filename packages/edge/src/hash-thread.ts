import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Problem } from '@mux/contract'
import type { CompareForeign } from './stored-password.ts'

/** What the thread is asked; it answers true or false, in the order in which it was asked. */
export interface HashOrder {
  stored: string
  password: Uint8Array
}

export interface HashThreadOptions {
  program?: URL
  /** Milliseconds after which a thread that nobody has needed ends. */
  idle?: number
  /** Milliseconds that an answer may take. */
  limit?: number
}

interface Asked {
  resolve: (isRight: boolean) => void
  reject: (reason: HashThreadError | Problem) => void
  limit: NodeJS.Timeout
}

/** Runs beside this file: as it is, or compiled. */
const PROGRAM = new URL(`./compare-hashes${extname(import.meta.url)}`, import.meta.url)
const IDLE = 60_000
/** The costliest hash takes half a second of a processor, and no more than two are asked for at once. */
const LIMIT = 30_000

/** A password that could not be compared, through no fault of whoever gave it. */
export class HashThreadError extends Error {
  override readonly name = 'HashThreadError'
  readonly code = 'hash_thread_ended'

  constructor(why: string, options?: ErrorOptions) {
    super(
      `A password was not compared: the thread that does so ${why}. The next one to sign in has another.`,
      options,
    )
  }
}

/**
 * The thread in which a password is compared with a hash that came from elsewhere: those are computed in JavaScript, and
 * whose thread does that serves nobody meanwhile. There is one while it is needed, and it keeps no process from ending.
 */
export class HashThread {
  readonly #options: Required<HashThreadOptions>
  #worker: Worker | undefined
  #asked: Asked[] = []
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor({ program = PROGRAM, idle = IDLE, limit = LIMIT }: HashThreadOptions = {}) {
    this.#options = { program, idle, limit }
  }

  /**
   * @throws {HashThreadError} when the thread can't start, ends, or takes too long; the next to ask get another one
   * @throws {Problem} `rate_limited` when the edge is closed, and so it is wanted no more
   */
  readonly compare: CompareForeign = (stored, password) => {
    clearTimeout(this.#idle)
    return new Promise((resolve, reject) => {
      const worker = this.#running()
      const { limit } = this.#options
      const tooLate = () =>
        void this.#end(worker, new HashThreadError(`has taken longer than ${limit / 1000} s`))
      this.#asked.push({ resolve, reject, limit: setTimeout(tooLate, limit).unref() })
      // What lies beside the password in its memory is not handed over.
      const copy = Uint8Array.from(password)
      worker.postMessage({ stored, password: copy } satisfies HashOrder, [copy.buffer])
    })
  }

  /** Ends it, and lets no other start. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    if (this.#worker !== undefined) await this.#end(this.#worker, unwanted())
  }

  #running(): Worker {
    if (this.#closed) throw unwanted()
    if (this.#worker !== undefined) return this.#worker
    let worker: Worker
    try {
      // What mux itself was started with may be nothing that such a program can begin with.
      worker = new Worker(this.#options.program, { env: {}, execArgv: [] })
    } catch (cause) {
      throw new HashThreadError('cannot be started', { cause })
    }
    worker.on('message', (isRight: boolean) => this.#hear(worker, isRight))
    worker.on('error', (cause) => void this.#end(worker, new HashThreadError('has failed', { cause })))
    worker.once('exit', () => void this.#end(worker, new HashThreadError('has ended')))
    // Behind the listener, which would have it count again (https://github.com/nodejs/node/issues/53036).
    worker.unref()
    this.#worker = worker
    return worker
  }

  #hear(worker: Worker, isRight: boolean): void {
    // What one says that was given up is no answer to what another one was asked.
    if (worker !== this.#worker) return
    const { resolve, limit } = this.#asked.shift()!
    clearTimeout(limit)
    resolve(isRight)
    if (this.#asked.length > 0) return
    this.#idle = setTimeout(() => void this.#end(worker, unwanted()), this.#options.idle).unref()
  }

  async #end(worker: Worker, reason: HashThreadError | Problem): Promise<void> {
    if (worker === this.#worker) {
      this.#worker = undefined
      for (const { reject, limit } of this.#asked.splice(0)) {
        clearTimeout(limit)
        reject(reason)
      }
    }
    await worker.terminate()
  }
}

/** As a HashQueue refuses it: no fault, and so nothing for the log. */
function unwanted(): Problem {
  return new Problem('rate_limited', { retryAfter: 1 })
}

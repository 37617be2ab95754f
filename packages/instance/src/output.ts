import { closeSync, constants, openSync } from 'node:fs'
import type { InstanceName } from '@mux/contract'
import { lastLines } from './last-lines.ts'
import { within } from './wait.ts'

/** Milliseconds that the log keeper has to tell the last words of a generation; on a busy machine it may only be starting. */
const ANSWER_LIMIT = 10_000

/** What one generation writes: a named pipe from it to the log keeper. */
export class Output {
  readonly instance: InstanceName
  readonly fifo: string
  readonly #ask: () => void
  #descriptor: number | null
  readonly #opened = Promise.withResolvers<void>()
  #isOpened = false
  #released = false
  #last: string | undefined
  #answer = Promise.withResolvers<string>()

  /**
   * @param descriptor ours, for the generation to inherit; null when a generation has it already
   * @param ask has the keeper tell the last words, see {@link told}
   */
  constructor(fifo: string, instance: InstanceName, descriptor: number | null, ask: (fifo: string) => void) {
    this.fifo = fifo
    this.instance = instance
    this.#descriptor = descriptor
    this.#ask = () => ask(fifo)
  }

  /** For the generation to inherit, as standard output and standard error; only before {@link release}. */
  get descriptor(): number {
    return this.#descriptor!
  }

  /** Nobody reads it at the moment: what lies in it is kept until somebody does, though all who wrote it be gone. */
  hold(): void {
    this.#isOpened = false
    if (this.#descriptor !== null) return
    this.#released = true
    try {
      this.#descriptor = openSync(this.fifo, constants.O_RDWR)
    } catch {
      // It is gone, and what was in it has been read.
    }
  }

  /** Resolves when the keeper reads it. */
  get kept(): Promise<void> {
    return this.#opened.promise
  }

  /** The generation has it, or never will. */
  release(): void {
    this.#released = true
    this.#letGo()
  }

  /** The last lines, oldest first, fit to be shown; none when they cannot be had in time. */
  async tail(lines: number): Promise<string[]> {
    if (this.#last === undefined) {
      this.#ask()
      await within(this.#answer.promise, ANSWER_LIMIT)
    }
    return lastLines(this.#last ?? '', lines)
  }

  /** The keeper reads it, so that nothing is lost when all who write are gone. */
  opened(): void {
    this.#isOpened = true
    this.#opened.resolve()
    this.#letGo()
  }

  told(text: string): void {
    this.#last = text
    this.#answer.resolve(text)
  }

  #letGo(): void {
    if (!this.#released || !this.#isOpened || this.#descriptor === null) return
    closeSync(this.#descriptor)
    this.#descriptor = null
  }
}

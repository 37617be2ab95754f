import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Descriptor, holdOf, isHeld } from './listeners.ts'
import type { ProcessIdentity } from './process-tree.ts'

/**
 * Watches over the port of a generation. The moment its process ends, anybody on this machine may listen there, and would
 * be sent what was meant for the instance, with the name of its user on it. So each connection is looked at when it is
 * open and nothing has been sent yet.
 */
export class AddressGuard {
  readonly #port: number
  readonly #identity: ProcessIdentity
  /** By which the generation was seen to hold the port. */
  #hold: readonly Descriptor[] = []
  #isBlind = false
  #look: Promise<boolean> | undefined

  constructor(port: number, identity: ProcessIdentity) {
    this.#port = port
    this.#identity = identity
  }

  /**
   * Whether a connection that is open by now leads to the generation, and to nobody else. True where that can't be seen.
   * One look serves all that ask in one turn of the event loop.
   */
  holds(): Promise<boolean> {
    this.#look ??= nextTurn().then(() => {
      this.#look = undefined
      return this.#holds()
    })
    return this.#look
  }

  async #holds(): Promise<boolean> {
    if (this.#isBlind || (this.#hold.length > 0 && this.#hold.every(isHeld))) return true
    const { holder, descriptors } = await holdOf(this.#port, this.#identity)
    this.#hold = holder === 'ours' ? descriptors : []
    this.#isBlind = holder === 'unknown'
    return holder === 'ours' || this.#isBlind
  }
}

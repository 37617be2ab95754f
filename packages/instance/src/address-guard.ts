import { statSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Address } from './lease.ts'
import { type Descriptor, holdOf, isHeld } from './listeners.ts'
import type { ProcessIdentity } from './process-tree.ts'

/**
 * Watches over the address of a generation. The moment its process ends, anybody on this machine may listen on its port, and
 * whoever may write to the directory of its socket may put another in its place; they would be sent what was meant for the
 * instance, with the name of its user on it. So each connection is looked at when it is open and nothing has been sent yet.
 */
export class AddressGuard {
  readonly #address: Address
  readonly #identity: ProcessIdentity
  /** By which the generation was seen to hold the address. */
  #hold: readonly Descriptor[] = []
  /** What was there of a socket when that was seen; see {@link nodeAt}. */
  #node: string | undefined
  #hasHeld = false
  #isBlind = false
  #look: Promise<boolean> | undefined

  constructor(address: Address, identity: ProcessIdentity) {
    this.#address = address
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
    if (this.#isBlind) return true
    const node = nodeAt(this.#address)
    if (this.#hold.length > 0 && node === this.#node && this.#hold.every(isHeld)) return true
    const { holder, descriptors } = await holdOf(this.#address, this.#identity)
    const isOurs = holder === 'ours'
    this.#hold = isOurs ? descriptors : []
    this.#node = node
    this.#hasHeld ||= isOurs
    // A socket that was made under another name, such as the one that mux gives to it a second time, is not found by this one.
    const isUnseen = holder === 'nobody' && 'socketPath' in this.#address && !this.#hasHeld
    this.#isBlind = holder === 'unknown' || isUnseen
    return isOurs || this.#isBlind
  }
}

/** What tells the file of a socket from one that takes its place, whose number may be the same; nothing for a port. */
function nodeAt(address: Address): string | undefined {
  if ('port' in address) return undefined
  const found = statSync(address.socketPath, { bigint: true, throwIfNoEntry: false })
  return found && [found.dev, found.ino, found.ctimeNs].join()
}

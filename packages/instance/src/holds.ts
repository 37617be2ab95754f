import type { InstanceName } from '@mux/contract'
import type { ClaimOptions } from './lease.ts'
import { type RoomLimits, WaitingRoom } from './waiting-room.ts'

interface Hold {
  room: WaitingRoom<void>
  timer: NodeJS.Timeout
}

/** Instances whose requests are held for a while, because what serves them is about to be somewhere else. */
export class Holds {
  readonly #holds = new Map<InstanceName, Hold>()

  /** Holds what comes for an instance for so many milliseconds from now; called again, from then. */
  hold(instance: InstanceName, milliseconds: number): void {
    const before = this.#holds.get(instance)
    clearTimeout(before?.timer)
    const room = before?.room ?? new WaitingRoom<void>(() => 'It is being moved to another host.')
    const timer = setTimeout(() => this.release(instance), milliseconds)
    this.#holds.set(instance, { room, timer })
  }

  /** @returns how many requests were held */
  release(instance: InstanceName): number {
    const hold = this.#holds.get(instance)
    if (hold === undefined) return 0
    clearTimeout(hold.timer)
    this.#holds.delete(instance)
    const { size } = hold.room
    hold.room.admit(() => undefined)
    return size
  }

  releaseAll(): void {
    for (const instance of this.#holds.keys()) this.release(instance)
  }

  isHeld(instance: InstanceName): boolean {
    return this.#holds.has(instance)
  }

  /**
   * Waits while an instance is held.
   * @throws {Problem} as a `WaitingRoom`
   */
  async pass(instance: InstanceName, options: ClaimOptions, limits: RoomLimits): Promise<void> {
    await this.#holds.get(instance)?.room.enter(options, limits)
  }
}

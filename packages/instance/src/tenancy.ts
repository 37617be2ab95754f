import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Ports } from './addresses.ts'
import { removeGroup } from './cgroup.ts'
import { removeDwelling } from './dwelling.ts'
import { type GenerationRecord, removeRecord, type Takeover, writeRecord } from './generation-record.ts'
import type { Address } from './lease.ts'

/** A record with all that a generation which serves has to say. */
export type TenancyRecord = GenerationRecord & { takeover: Takeover }

/** What a generation occupies as long as anything of it runs: its address, and its record in `.mux/run`. */
export class Tenancy {
  readonly #stateDirectory: string
  readonly #ports: Ports
  #record: TenancyRecord

  constructor({ stateDirectory, ports }: { stateDirectory: string; ports: Ports }, record: TenancyRecord) {
    this.#stateDirectory = stateDirectory
    this.#ports = ports
    this.#record = record
  }

  get number(): number {
    return this.#record.number
  }

  get address(): Address {
    return this.#record.address
  }

  get since(): Date {
    return new Date(this.#record.takeover.since)
  }

  /** @throws when it can't be written, and then nothing may be started that only this would tell of */
  write({ pid, startTime }: Pick<GenerationRecord, 'pid' | 'startTime'> = this.#record): void {
    this.#record = { ...this.#record, pid, startTime }
    writeRecord(this.#run, this.#record)
  }

  /** See `Takeover`. */
  get degraded(): string | null {
    return this.#record.takeover.degraded
  }

  /**
   * Says how far it has come, or why it is degraded. What can't be written, on a full disk, costs no more than that the next supervisor ends
   * what it could have taken over, finds out by itself that it is on its way out, or does not know of a failed restart.
   */
  note(facts: Partial<Pick<Takeover, 'stage' | 'degraded'>>): void {
    this.#record = { ...this.#record, takeover: { ...this.#record.takeover, ...facts } }
    try {
      writeRecord(this.#run, this.#record)
    } catch {
      // As above.
    }
  }

  /** What can't be removed, from a disk that can't be written, is left with its record to the next supervisor. */
  vacate(): void {
    const { address, cgroup } = this.#record
    if ('port' in address) this.#ports.release(address.port)
    if (cgroup !== null) removeGroup(cgroup)
    try {
      if ('socketPath' in address) rmSync(address.socketPath, { force: true })
      removeDwelling(this.#stateDirectory, this.#record.marker)
      removeRecord(this.#run, this.#record)
    } catch {
      // As above.
    }
  }

  get #run(): string {
    return join(this.#stateDirectory, 'run')
  }
}

import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type InstanceName, parseInstanceName } from '@mux/contract'
import type { Address } from './lease.ts'

/**
 * What a generation leaves in `.mux/run`, so that a supervisor that comes after a dead one knows what still runs.
 * Written before the process is started (then without its pid), and gone only after its whole tree is.
 */
export interface GenerationRecord {
  instance: InstanceName
  number: number
  /** Null until the process is known to have started. */
  pid: number | null
  /** See `ProcessIdentity`. */
  startTime: string | null
  marker: string
  address: Address
}

const FILE_NAME = /^(.+)\.(\d{1,15})\.json$/

/**
 * Atomic, but not forced onto the disk: it only has to outlive the supervisor, and a machine that goes down takes the
 * process with it.
 */
export function writeRecord(runDirectory: string, record: GenerationRecord): void {
  const path = pathOf(runDirectory, record)
  writeFileSync(`${path}.new`, JSON.stringify({ v: 1, ...record }), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

export function removeRecord(
  runDirectory: string,
  record: Pick<GenerationRecord, 'instance' | 'number'>,
): void {
  rmSync(pathOf(runDirectory, record), { force: true })
}

/** All records of a directory; what is none is skipped, and so is one of another version. */
export function readRecords(runDirectory: string): GenerationRecord[] {
  return readdirSync(runDirectory).flatMap((name) => {
    const match = FILE_NAME.exec(name)
    const instance = match && parseInstanceName(match[1]!)
    if (!instance) return []
    const record = decode(readFileSync(join(runDirectory, name), 'utf8'))
    return record ? [{ ...record, instance, number: Number(match[2]) }] : []
  })
}

function pathOf(
  runDirectory: string,
  { instance, number }: Pick<GenerationRecord, 'instance' | 'number'>,
): string {
  return join(runDirectory, `${instance}.${number}.json`)
}

function decode(text: string): Omit<GenerationRecord, 'instance' | 'number'> | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { v, pid, startTime, marker, address } = value as Record<string, unknown>
  const usable =
    v === 1 &&
    (pid === null || (Number.isSafeInteger(pid) && (pid as number) > 1)) &&
    (startTime === null || typeof startTime === 'string') &&
    typeof marker === 'string' &&
    marker.length >= 16 &&
    isAddress(address)
  return usable ? { pid: pid as number | null, startTime, marker, address } : undefined
}

function isAddress(value: unknown): value is Address {
  if (typeof value !== 'object' || value === null) return false
  return (
    ('port' in value && Number.isSafeInteger(value.port)) ||
    ('socketPath' in value && typeof value.socketPath === 'string')
  )
}

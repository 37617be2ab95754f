import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { type InstanceName, parseInstanceName } from '@mux/contract'
import * as v from 'valibot'
import { isGroupOf } from './cgroup.ts'
import type { InstanceDefinition } from './definition.ts'
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
  /** Directory of its control group; null where it has none. */
  cgroup: string | null
  address: Address
  /** What it takes to go on with it; null where that can't be known, and all that can be done is to end it. */
  takeover: Takeover | null
}

export interface Takeover {
  /** How far it has come. */
  stage: 'starting' | 'ready' | 'leaving'
  /** When it was started, in ISO. */
  since: string
  /** Absolute path of the `.mux` that it was started from, to tell a project from its copy. */
  stateDirectory: string
  /** Why others were not put in its place; null unless that was tried last, and failed. */
  degraded: string | null
  /** What it was started with. A secret stands in it as the name of its file, as everywhere. */
  definition: InstanceDefinition
}

const FILE_NAME = /^(.+)\.(\d{1,15})\.json$/

const settings: v.GenericSchema<unknown, Omit<InstanceDefinition, 'name'>> = v.object({
  command: v.tupleWithRest([v.string()], v.string()),
  directory: v.string(),
  settings: v.record(v.string(), v.union([v.string(), v.object({ secretFile: v.string() })])),
  health: v.nullable(v.string()),
  boot: v.picklist(['lazy', 'eager']),
  restart: v.picklist(['overlap', 'replace']),
  idle: v.nullable(v.number()),
  // Here and below: what a record of an earlier mux doesn't have, its generation was started without.
  idleIgnore: v.optional(v.array(v.string()), []),
  probe: v.optional(v.nullable(v.number()), null),
  limits: v.object({
    start: v.number(),
    drain: v.number(),
    stop: v.number(),
    hold: v.number(),
    response: v.optional(v.nullable(v.number()), null),
    memory: v.nullable(v.number()),
    queue: v.number(),
    files: v.optional(v.nullable(v.number()), null),
    processes: v.optional(v.nullable(v.number()), null),
  }),
  stopSignal: v.custom<NodeJS.Signals>((value) => typeof value === 'string' && value in constants.signals),
  user: v.optional(v.nullable(v.string()), null),
  group: v.optional(v.nullable(v.string()), null),
  sandbox: v.optional(v.boolean(), false),
  nice: v.optional(v.number(), 0),
  umask: v.optional(v.nullable(v.number()), null),
  entry: v.optional(v.record(v.string(), v.unknown()), {}),
})

const takeover = v.object({
  stage: v.picklist(['starting', 'ready', 'leaving']),
  since: v.pipe(v.string(), v.isoTimestamp()),
  stateDirectory: v.string(),
  degraded: v.optional(v.nullable(v.string()), null),
  definition: settings,
})

/** Of both versions: the first has nothing to take over by, and what of the second can't be read counts as nothing. */
const schema = v.object({
  v: v.picklist([1, 2]),
  pid: v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(2))),
  startTime: v.nullable(v.string()),
  marker: v.pipe(v.string(), v.minLength(16)),
  cgroup: v.optional(v.nullable(v.string()), null),
  address: v.union([
    v.object({ port: v.pipe(v.number(), v.safeInteger()) }),
    v.object({ socketPath: v.string() }),
  ]),
  takeover: v.optional(v.fallback(v.nullable(takeover), null), null),
})

/**
 * Atomic, but not forced onto the disk: it only has to outlive the supervisor, and a machine that goes down takes the
 * process with it.
 */
export function writeRecord(runDirectory: string, record: GenerationRecord): void {
  const path = pathOf(runDirectory, record)
  writeFileSync(`${path}.new`, JSON.stringify({ v: 2, ...record }), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

export function removeRecord(
  runDirectory: string,
  record: Pick<GenerationRecord, 'instance' | 'number'>,
): void {
  const path = pathOf(runDirectory, record)
  // A supervisor that died while it wrote leaves this one.
  rmSync(`${path}.new`, { force: true })
  rmSync(path, { force: true })
}

/** Removes what a supervisor had begun to write when it was killed. The caller holds the host lock, so nobody writes now. */
export function removeDrafts(runDirectory: string): void {
  for (const file of readdirSync(runDirectory)) {
    if (!file.endsWith('.new') || !FILE_NAME.test(file.slice(0, -'.new'.length))) continue
    try {
      rmSync(join(runDirectory, file), { force: true })
    } catch {
      // Where the disk can't be written, and what is no file, hinders nobody.
    }
  }
}

/**
 * All records of a directory, those of an instance from the oldest to the newest. Of what is none, or of another
 * version, only the number is told, which nothing else must be given.
 */
export function readRecords(runDirectory: string): FoundRecord[] {
  const found = readdirSync(runDirectory).flatMap((file) => {
    const match = FILE_NAME.exec(file)
    const instance = match && parseInstanceName(match[1]!)
    if (!instance) return []
    const text = readRecord(join(runDirectory, file))
    if (text === undefined) return []
    const number = Number(match[2])
    return [{ instance, number, record: decode(text, instance, number) }]
  })
  return found.sort((a, b) => a.number - b.number)
}

export interface FoundRecord extends Pick<GenerationRecord, 'instance' | 'number'> {
  record: GenerationRecord | undefined
}

function pathOf(
  runDirectory: string,
  { instance, number }: Pick<GenerationRecord, 'instance' | 'number'>,
): string {
  return join(runDirectory, `${instance}.${number}.json`)
}

/** Undefined when it is gone: its supervisor may remove it at any moment. What is no file has no text. */
function readRecord(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code === 'EISDIR') return ''
    throw error
  }
}

function decode(text: string, instance: InstanceName, number: number): GenerationRecord | undefined {
  const result = v.safeParse(schema, parseJson(text))
  if (!result.success) return undefined
  const { pid, startTime, marker, cgroup, address, takeover: rest } = result.output
  return {
    instance,
    number,
    pid,
    startTime,
    marker,
    // Nothing but what is known to be its own is ever touched there.
    cgroup: cgroup !== null && isGroupOf(marker, cgroup) ? cgroup : null,
    address,
    takeover: rest && { ...rest, definition: { name: instance, ...rest.definition } },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

import { isDeepStrictEqual } from 'node:util'
import { type KnownUser, RECORD_KINDS, RecordError, type RecordKind } from '@mux/contract'
import type { RegistryChange, RegistryStore } from '@mux/edge/registry'
import { CliError } from '../errors.ts'
import { withLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { projectRole } from '../project-role.ts'
import { withRegistry } from '../registry.ts'
import { checkForWorker } from './check-for-worker.ts'
import {
  compare,
  type Difference,
  emptySnapshot,
  type Side,
  type Snapshot,
  snapshotOf,
} from './compare-registries.ts'
import { tellOfUsers, type ToldHost } from './tell-of-users.ts'

export type Counts = Partial<Record<RecordKind, number>>

export interface CopyResult {
  written: Counts
  removed: Counts
  /** Records that cannot be used where they come from; they were left as they are on both sides. */
  unusable: string[]
}

/** How many of those that stand in the way are named. */
const NAMED = 20

/** What differs between the registry of the project and the one in KV. */
export async function compareRegistries(project: Project, kv: RegistryStore): Promise<Difference[]> {
  return withRegistry(project, async (here) => compare(await snapshotOf(here), await snapshotOf(kv)))
}

/**
 * Looks whether all records of the project would work from Cloudflare.
 * @returns those that lead to hosts
 * @throws {CliError} `record_unfit`
 */
export async function checkRegistry(project: Project): Promise<Pick<Snapshot, 'instance' | 'host'>> {
  return withRegistry(project, async (here) => {
    const snapshot = await snapshotOf(here)
    const { changes } = planCopy(compare(snapshot, emptySnapshot()), 'here')
    checkForWorker(changes, snapshot.instance)
    return snapshot
  })
}

/**
 * What a push would come to.
 * @param kv undefined: there is none yet
 * @throws {CliError} `registry_conflict`, `record_unfit`
 */
export async function planPush(project: Project, kv: RegistryStore | undefined): Promise<CopyResult> {
  return withRegistry(project, async (here) => {
    const snapshot = await snapshotOf(here)
    const copy = planCopy(compare(snapshot, kv ? await snapshotOf(kv) : emptySnapshot()), 'here')
    checkForWorker(copy.changes, snapshot.instance)
    return resultOf(copy)
  })
}

/**
 * Makes the registry in KV what the one of the project is. One push of a project at a time: of two, the one that began
 * first could end last.
 * @param confirm asked before anything is removed
 * @throws {CliError} `registry_conflict`, `record_unfit`; nothing was written
 */
export async function pushRegistry(
  project: Project,
  kv: RegistryStore,
  confirm: (removed: Counts) => Promise<void>,
): Promise<CopyResult & { told: ToldHost[] }> {
  return withLock(project, 'push', () =>
    withRegistry(project, async (here) => {
      const snapshot = await snapshotOf(here)
      const copy = planCopy(compare(snapshot, await snapshotOf(kv)), 'here')
      checkForWorker(copy.changes, snapshot.instance)
      await confirmRemoval(copy, confirm)
      if (copy.changes.length > 0) await kv.change(() => ({ changes: copy.changes, result: undefined }))
      // All of them: it also makes up for a host that could not be told when it should have been.
      const told = await tellOfUsers(project, here, await projectRole(project), versionsOf(snapshot), false)
      return { ...resultOf(copy), told }
    }),
  )
}

/**
 * Makes the registry of the project what the one in KV is, all of it or nothing.
 * @param confirm asked before anything is removed
 * @throws {CliError} `registry_conflict`; nothing was written
 */
export async function pullRegistry(
  project: Project,
  kv: RegistryStore,
  confirm: (removed: Counts) => Promise<void>,
): Promise<CopyResult> {
  const task = async (here: RegistryStore) => {
    const differences = compare(await snapshotOf(here), await snapshotOf(kv))
    const copy = planCopy(differences, 'kv')
    await confirmRemoval(copy, confirm)
    await here.change((read) => {
      for (const { kind, name, here: compared } of differences)
        if (!(compared instanceof RecordError) && !isDeepStrictEqual(read(kind, name) ?? null, compared))
          throw changedMeanwhile(`${kind} ${name}`)
      return { changes: copy.changes, result: undefined }
    })
    return resultOf(copy)
  }
  return withRegistry(project, task, { carry: 'hosts' })
}

function versionsOf({ user }: Snapshot): KnownUser[] {
  return [...user].flatMap(([name, record]) =>
    record instanceof RecordError
      ? []
      : [{ name: name as KnownUser['name'], version: record.version, gone: record.disabled }],
  )
}

interface Copy {
  changes: RegistryChange[]
  unusable: string[]
}

/** @throws {CliError} `registry_conflict` when it would put something older in the place of something later */
function planCopy(differences: readonly Difference[], from: Side): Copy {
  const to = from === 'here' ? 'kv' : 'here'
  const overtaken = differences.filter(({ later }) => later === to)
  if (overtaken.length > 0) throw conflict(overtaken, from)
  const changes: RegistryChange[] = []
  const unusable: string[] = []
  for (const difference of differences) {
    const { kind, name, [from]: record } = difference
    if (record instanceof RecordError) unusable.push(`${kind}:${name}`)
    else changes.push({ kind, name, record } as RegistryChange)
  }
  return { changes, unusable }
}

async function confirmRemoval({ changes }: Copy, confirm: (removed: Counts) => Promise<void>): Promise<void> {
  const removed = count(changes.filter(({ record }) => record === null))
  if (Object.keys(removed).length > 0) await confirm(removed)
}

function resultOf({ changes, unusable }: Copy): CopyResult {
  return {
    written: count(changes.filter(({ record }) => record !== null)),
    removed: count(changes.filter(({ record }) => record === null)),
    unusable,
  }
}

function count(changes: readonly RegistryChange[]): Counts {
  const counts = RECORD_KINDS.map(
    (kind) => [kind, changes.filter((one) => one.kind === kind).length] as const,
  )
  return Object.fromEntries(counts.filter(([, number]) => number > 0))
}

function changedMeanwhile(what: string): CliError {
  return new CliError('registry_conflict', `The record of the ${what} was changed here meanwhile.`, {
    hint: 'Nothing was copied. Give the same command again.',
  })
}

function conflict(overtaken: readonly Difference[], from: Side): CliError {
  const [where, way] = from === 'here' ? ['in KV', 'pull'] : ['here', 'push']
  const names = overtaken.map(({ name }) => name)
  const more = names.length > NAMED ? [`and ${names.length - NAMED} more`] : []
  const users = names.length === 1 ? 'a user' : `${names.length} users`
  return new CliError('registry_conflict', `The records of ${users} were changed ${where} later.`, {
    hint: `Nothing was changed. Take those first: mux registry ${way}   What differs: mux registry diff`,
    details: [...names.slice(0, NAMED), ...more],
  })
}

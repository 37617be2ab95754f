import { isDeepStrictEqual } from 'node:util'
import type { InstanceName, RestartReport } from '@mux/contract'
import type { InstanceEntry } from '@mux/instance'
import { readHistory, type ReadySettings } from '@mux/instance/settings-history'
import { changeEntry, readEntry } from '../config-edit.ts'
import { CliError } from '../errors.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { reloadHost } from '../running-host.ts'
import { readSecret, removeSecret, writeSecret } from '../secrets.ts'
import { noInstance } from './no-instance.ts'
import { isRunning, type SavedSettings, takeSettings } from './take-settings.ts'

const SEE = 'See what there is: mux instance list'

export interface RollbackResult {
  instance: InstanceName
  /** When it became ready, having had others before, with the settings that it has again. */
  readyAt: string
  /** What is different now, by its path in the instance's entry of mux.yaml. */
  changed: string[]
  /** Null when it was not running. */
  restarted: RestartReport | null
}

/** Settings with which an instance became ready. */
export interface KeptSettings {
  /** 1 for the latest. */
  number: number
  readyAt: string
  /** What would be different from now; empty for those that it has. */
  changed: string[]
}

/** @throws {CliError} `instance_not_found` */
export async function listKeptSettings(project: Project, instance: InstanceName): Promise<KeptSettings[]> {
  const { present, kept } = await readKept(project, instance)
  return kept.map((one, at) => ({ number: at + 1, readyAt: one.at, changed: differences(present, one) }))
}

/**
 * Gives an instance settings back with which it became ready: its entry in mux.yaml and the values of its own secrets. What
 * comes from `app` stays as it is.
 * @param to which, by their number in {@link listKeptSettings}; undefined: the latest that are not those that it has
 * @throws {CliError} `instance_not_found`, `nothing_to_restore`, `config_invalid`; `instance_failed` after all has been put
 *   back
 */
export async function rollbackSettings(
  project: Project,
  instance: InstanceName,
  to?: number,
): Promise<RollbackResult> {
  // First of all: with a supervisor that does not answer, nothing is begun.
  const runs = await isRunning(project, instance)
  const { saved, readyAt, changed, obsolete } = await withProjectLock(project, () =>
    restore(project, instance, to),
  )
  const restarted = runs ? await takeSettings(project, saved, false) : null
  if (restarted === null) await reloadHost(project)
  for (const secret of obsolete) await removeSecret(project, secret)
  return { instance, readyAt, changed, restarted }
}

interface Restored extends Pick<RollbackResult, 'readyAt' | 'changed'> {
  saved: SavedSettings
  /** Secrets that no setting names any more. */
  obsolete: string[]
}

async function restore(project: Project, instance: InstanceName, to: number | undefined): Promise<Restored> {
  const { present, kept } = await readKept(project, instance)
  const candidates = to === undefined ? kept : kept.slice(to - 1, to)
  const target = candidates.find((one) => differences(present, one).length > 0)
  if (target === undefined) throw nothingToRestore(instance, kept.length, to)
  const wanted = secretsOf(instance, target.entry)

  const undoSecrets: (() => Promise<void>)[] = []
  const undoAll = async () => {
    for (const undo of undoSecrets) await undo()
  }
  try {
    for (const name of wanted) {
      const value = target.secrets[name]
      if (value !== undefined && value !== present.secrets[name])
        undoSecrets.push(await writeSecret(project, name, value))
    }
    const { definition, undo } = await changeEntry(project, instance, target.entry)
    const undoBoth = async () => {
      if (!(await undo())) return false
      await undoAll()
      return true
    }
    return {
      saved: { definition, undo: undoBoth },
      readyAt: target.at,
      changed: differences(present, target),
      obsolete: secretsOf(instance, present.entry).filter((name) => !wanted.includes(name)),
    }
  } catch (error) {
    await undoAll()
    throw error
  }
}

/** What it has, and with what it became ready, the latest first. */
async function readKept(
  project: Project,
  instance: InstanceName,
): Promise<{ present: Settings; kept: ReadySettings[] }> {
  const entry = await readEntry(project, instance)
  if (entry === undefined) throw noInstance(await readConfig(project), instance, SEE)
  const secrets = await ownSecrets(project, instance, entry)
  const history = await readHistory(project.state.directory, instance)
  return { present: { entry, secrets }, kept: history.toReversed() }
}

type Settings = Pick<ReadySettings, 'entry' | 'secrets'>

/** The paths under which two settings say something else, secrets by what is in them. */
function differences(one: Settings, other: Settings): string[] {
  const [a, b] = [leavesOf(one), leavesOf(other)]
  const paths = new Set([...a.keys(), ...b.keys()])
  return [...paths].filter((path) => !isDeepStrictEqual(a.get(path), b.get(path))).toSorted()
}

function leavesOf({ entry, secrets }: Settings): Map<string, unknown> {
  const leaves = (value: unknown, path: string): [string, unknown][] => {
    if (isSecret(value)) return [[path, [value.secret, secrets[value.secret]]]]
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path, value]]
    return Object.entries(value).flatMap(([key, inner]) =>
      leaves(inner, path === '' ? key : `${path}.${key}`),
    )
  }
  return new Map(leaves(entry, ''))
}

/** The names of the secrets that an entry has and nobody else. */
function secretsOf(instance: InstanceName, { settings }: InstanceEntry): string[] {
  const values = typeof settings === 'object' && settings !== null ? Object.values(settings) : []
  return values.filter(isSecret).flatMap(({ secret }) => (secret.startsWith(`${instance}.`) ? secret : []))
}

async function ownSecrets(
  project: Project,
  instance: InstanceName,
  entry: InstanceEntry,
): Promise<Record<string, string>> {
  const found = await Promise.all(
    secretsOf(instance, entry).map(async (name) => [name, await readSecret(project, name)] as const),
  )
  return Object.fromEntries(found.filter((pair): pair is [string, string] => pair[1] !== undefined))
}

function isSecret(value: unknown): value is { secret: string } {
  return typeof value === 'object' && value !== null && 'secret' in value && typeof value.secret === 'string'
}

function nothingToRestore(instance: InstanceName, kept: number, to: number | undefined): CliError {
  const why =
    kept === 0
      ? `It is not known that ${instance} was ever ready.`
      : to === undefined
        ? `${instance} has never been ready with other settings than those that it has.`
        : to > kept
          ? `Of ${instance}, ${kept} settings are kept.`
          : `${instance} has these settings already.`
  return new CliError(
    'nothing_to_restore',
    `${why} Nothing was changed.`,
    `See what is kept: mux instance rollback ${instance} --list`,
  )
}

import type { InstanceName, RestartReport } from '@mux/contract'
import type { InstanceDefinition } from '@mux/instance'
import { changeConfig, type SettingValue, withoutSettings, withSettings } from '../config-edit.ts'
import { CliError } from '../errors.ts'
import { withProjectLock } from '../project-lock.ts'
import type { ProjectConfig } from '../mux-yaml.ts'
import type { Project } from '../project.ts'
import { reloadHost } from '../running-host.ts'
import { removeSecret, secretName, writeSecret } from '../secrets.ts'
import { noInstance } from './no-instance.ts'
import { isRunning, type SavedSettings, takeSettings } from './take-settings.ts'

/** What an instance is to have of its own from now on. */
export interface SettingsOrder {
  instance: InstanceName
  set: Record<string, string>
  /** Values that go to files of their own. */
  secrets: Record<string, string>
  unset: readonly string[]
  /** Has a running instance take the settings at once, and puts the old ones back where it cannot start with them. */
  restart: boolean
  /** Leaves the new ones in mux.yaml where it cannot. */
  keep: boolean
}

export interface SettingsResult {
  instance: InstanceName
  /** Names only. */
  set: string[]
  unset: string[]
  changed: boolean
  /** Null when the instance was not running, or was not to be restarted. */
  restarted: RestartReport | null
  /** It runs with the settings from before. */
  restartNeeded: boolean
}

/**
 * Changes the settings that an instance has of its own: durable first, then live.
 * @throws {CliError} `instance_not_found`, `setting_not_found`, `setting_invalid`; `instance_failed` after the old settings
 *   have been put back, or with the new ones kept
 */
export async function changeSettings(project: Project, order: SettingsOrder): Promise<SettingsResult> {
  const { instance } = order
  // First of all: with a supervisor that does not answer, nothing is begun.
  const runs = await isRunning(project, instance)
  const change = await withProjectLock(project, () => save(project, order))
  const result = {
    instance,
    set: [...Object.keys(order.set), ...Object.keys(order.secrets)],
    unset: [...order.unset],
    changed: change.changed,
    restarted: null,
    restartNeeded: false,
  }
  if (!change.changed) return result
  const restarted = runs && order.restart ? await takeSettings(project, change, order.keep) : null
  if (restarted === null) await reloadHost(project)
  for (const secret of change.obsolete) await removeSecret(project, secret)
  return { ...result, restarted, restartNeeded: runs && restarted === null }
}

interface SavedChange extends SavedSettings {
  changed: boolean
  /** Secrets that no setting names any more. */
  obsolete: readonly string[]
}

async function save(project: Project, order: SettingsOrder): Promise<SavedChange> {
  const { instance } = order
  const undoSecrets: (() => Promise<void>)[] = []
  try {
    for (const [key, value] of Object.entries(order.secrets))
      undoSecrets.push(await writeSecret(project, secretName(instance, key), value))
    const { before, after, undo } = await changeConfig(
      project,
      (text, config) => {
        const own = config.ownSettings.get(instance)
        if (own === undefined) throw noInstance(config, instance, `Add it: mux instance add ${instance}`)
        const definition = definitionOf(config, instance)
        assertOwn(order.unset, own, definition)
        const wanted: Record<string, SettingValue> = { ...order.set }
        for (const key of Object.keys(order.secrets)) wanted[key] = { secret: secretName(instance, key) }
        const differing = Object.entries(wanted).filter(
          ([key, value]) => !own.includes(key) || !isSame(definition.settings[key], value),
        )
        const changed = withSettings(text, instance, Object.fromEntries(differing))
        return order.unset.length === 0 ? changed : withoutSettings(changed, instance, order.unset, own)
      },
      instance,
    )
    const definition = definitionOf(after, instance)
    return {
      changed: after !== before || undoSecrets.length > 0,
      definition,
      obsolete: ownSecrets(definitionOf(before, instance)).filter(
        (secret) => !ownSecrets(definition).includes(secret),
      ),
      undo: async () => {
        if (!(await undo())) return false
        for (const undoSecret of undoSecrets) await undoSecret()
        return true
      },
    }
  } catch (error) {
    for (const undoSecret of undoSecrets) await undoSecret()
    throw error
  }
}

function assertOwn(
  keys: readonly string[],
  own: readonly string[],
  { name, settings }: InstanceDefinition,
): void {
  const missing = keys.filter((key) => !own.includes(key))
  if (missing.length === 0) return
  const inherited = missing.filter((key) => key in settings)
  throw new CliError(
    'setting_not_found',
    inherited.length > 0
      ? `${inherited.join(', ')} is not a setting of ${name} itself; it comes from app. Nothing was changed.`
      : `${name} has no setting ${missing.join(', ')} of its own. Nothing was changed.`,
    `See what it has: mux instance show ${name}`,
  )
}

function definitionOf(config: ProjectConfig, instance: InstanceName): InstanceDefinition {
  return config.instances.find(({ name }) => name === instance)!
}

/** The secrets that were made by `instance set --secret`; one under another name may be shared, and is the operator's. */
function ownSecrets({ name, settings }: InstanceDefinition): string[] {
  const named = Object.entries(settings).filter(([key, value]) =>
    isSame(value, { secret: secretName(name, key) }),
  )
  return named.map(([key]) => secretName(name, key))
}

function isSame(found: InstanceDefinition['settings'][string] | undefined, wanted: SettingValue): boolean {
  if (found === undefined || typeof found === 'string' || typeof wanted === 'string') return found === wanted
  return found.secretFile.endsWith(`/${wanted.secret}`)
}

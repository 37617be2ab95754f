import type { CarriedInstance, InstanceName } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import type { InstanceEntry } from '@mux/instance'
import { readEntry } from '../config-edit.ts'
import { CliError } from '../errors.ts'
import { readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import { readSecret, secretName, writeSecret } from '../secrets.ts'
import { noInstance } from './no-instance.ts'
import { defineInstance, isDefined } from './define-instance.ts'

const ARRIVING = 'This is being moved here.'

/**
 * What an instance has of its own, with the values of its secrets: for the channel to another host, and for nobody's eyes.
 * @throws {CliError} `instance_not_found`, `setting_invalid` when a secret is not there
 */
export async function carriedInstance(project: Project, name: InstanceName): Promise<CarriedInstance> {
  const entry = await readEntry(project, name)
  if (entry === undefined)
    throw noInstance(await readConfig(project), name, 'See what there is: mux instance list')
  const { settings = {} } = entry as { settings?: Record<string, unknown> }
  const secrets: Record<string, string> = {}
  const plain: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(settings)) {
    if (!isSecret(value)) plain[key] = value
    else secrets[key] = await requireSecret(project, name, key, value.secret)
  }
  const { settings: _, ...rest } = entry
  return { v: 1, entry: Object.keys(plain).length === 0 ? rest : { ...rest, settings: plain }, secrets }
}

/**
 * Defines an instance that comes from another host. It is kept stopped until it is started: its data are yet to come.
 * @throws {CliError} `instance_exists`, `setting_invalid`, `config_invalid`; nothing was changed
 */
export async function receiveInstance(
  project: Project,
  registry: RegistryStore,
  name: InstanceName,
  carried: CarriedInstance,
): Promise<void> {
  await withProjectLock(project, async () => {
    if (isDefined(await readConfig(project), name))
      throw new CliError(
        'instance_exists',
        `There is an instance ${name} here already. Nothing was changed.`,
        {
          hint: `Where it is one that was left when it moved away: mux instance remove ${name} --purge`,
        },
      )
    const undo: (() => Promise<void>)[] = []
    try {
      const settings: Record<string, unknown> = { ...settingsOf(carried.entry) }
      for (const [key, value] of Object.entries(carried.secrets)) {
        settings[key] = { secret: secretName(name, key) }
        undo.push(await writeSecret(project, secretName(name, key), value))
      }
      const entry = Object.keys(settings).length === 0 ? carried.entry : { ...carried.entry, settings }
      await defineInstance(project, registry, name, entry, { state: 'maintenance', message: ARRIVING })
    } catch (error) {
      for (const one of undo) await one()
      throw error
    }
  })
}

function settingsOf(entry: InstanceEntry): Record<string, unknown> {
  const { settings } = entry
  return typeof settings === 'object' && settings !== null ? { ...settings } : {}
}

async function requireSecret(
  project: Project,
  name: InstanceName,
  key: string,
  file: string,
): Promise<string> {
  const value = await readSecret(project, file)
  if (value !== undefined) return value
  throw new CliError('setting_invalid', `The secret of ${key} is not there.`, {
    hint: `Set it: mux instance set ${name} --secret ${key}`,
  })
}

function isSecret(value: unknown): value is { secret: string } {
  return typeof value === 'object' && value !== null && 'secret' in value && typeof value.secret === 'string'
}

import type { HostName, InstanceName } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import type { SettingValue } from '../config-edit.ts'
import { CliError } from '../errors.ts'
import { type ProjectConfig, readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import type { Told } from '../running-host.ts'
import { secretName, writeSecret } from '../secrets.ts'
import { addThere } from './instance-there.ts'
import { defineInstance, isDefined } from './define-instance.ts'
import { placeForNew, placeOf, requirePlace } from './find-place.ts'

export interface AddInstanceResult {
  instance: InstanceName
  /** On which host; null: here. */
  host: HostName | null
  /** False: it was there before, with these settings. */
  changed: boolean
  supervisor: Told | null
}

export interface AddInstanceOrder {
  instance: InstanceName
  set: Record<string, string>
  secrets: Record<string, string>
}

/**
 * Adds an instance where the operator says, or where a new one goes.
 * @throws {CliError} `instance_exists`, `setting_invalid`, `config_invalid`, `host_not_found`, `host_draining`, `host_unreachable`
 */
export async function addInstanceSomewhere(
  project: Project,
  registry: RegistryStore,
  order: AddInstanceOrder,
  wanted: HostName | undefined,
): Promise<AddInstanceResult> {
  const config = await readConfig(project)
  const { instance } = order
  const isHere = isDefined(config, instance)
  const where = await placeOf(project, registry, instance)
  // Again, it is found where it is.
  const present = where ?? (isHere ? (config.host?.name ?? null) : undefined)
  if (wanted !== undefined && present !== undefined && present !== wanted)
    throw new CliError(
      'instance_exists',
      `There is an instance ${instance} already, ${present === null ? 'here' : `on ${present}`}. Nothing was changed.`,
      { hint: `To have it elsewhere: mux instance move ${instance} --host ${wanted}` },
    )
  if (where === null && isHere) return addInstance(project, registry, order)
  const place =
    where === null ? await placeForNew(registry, config, wanted) : await requirePlace(registry, where)
  return place === null
    ? addInstance(project, registry, order)
    : withProjectLock(project, () => addThere(project, registry, place, order))
}

/** @throws {CliError} `instance_exists`, `setting_invalid`, `config_invalid` */
async function addInstance(
  project: Project,
  registry: RegistryStore,
  order: AddInstanceOrder,
): Promise<AddInstanceResult> {
  const { instance, set, secrets } = order
  return withProjectLock(project, async () => {
    const config = await readConfig(project)
    if (config.ownSettings.has(instance)) {
      assertSame(config, instance, set, secrets)
      return { instance, host: null, changed: false, supervisor: null }
    }
    const settings: Record<string, SettingValue> = { ...set }
    const undo: (() => Promise<void>)[] = []
    try {
      for (const [key, value] of Object.entries(secrets)) {
        settings[key] = { secret: secretName(instance, key) }
        undo.push(await writeSecret(project, secretName(instance, key), value))
      }
      const entry = Object.keys(settings).length === 0 ? {} : { settings }
      const { told } = await defineInstance(project, registry, instance, entry)
      return { instance, host: null, changed: true, supervisor: told }
    } catch (error) {
      for (const one of undo) await one()
      throw error
    }
  })
}

function assertSame(
  config: ProjectConfig,
  name: InstanceName,
  set: Record<string, string>,
  secrets: Record<string, string>,
): void {
  const definition = config.instances.find((instance) => instance.name === name)!
  const own = config.ownSettings.get(name)!
  const wanted = Object.entries(set)
  const isGiven = wanted.length > 0 || Object.keys(secrets).length > 0
  const isSame =
    own.length === wanted.length && wanted.every(([key, value]) => definition.settings[key] === value)
  // Who gives none wants it to be there: as one is made known that a host has in its mux.yaml.
  if (!isGiven || (isSame && Object.keys(secrets).length === 0)) return
  throw new CliError(
    'instance_exists',
    `The instance ${name} exists with other settings. Nothing was changed.`,
    {
      hint: `Change them: mux instance set ${name} NAME=VALUE`,
    },
  )
}

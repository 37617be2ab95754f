import type { InstanceName } from '@mux/contract'
import type { RegistryStore } from '@mux/edge'
import type { SettingValue } from '../config-edit.ts'
import { CliError } from '../errors.ts'
import { type ProjectConfig, readConfig } from '../mux-yaml.ts'
import { withProjectLock } from '../project-lock.ts'
import type { Project } from '../project.ts'
import type { Told } from '../running-host.ts'
import { secretName, writeSecret } from '../secrets.ts'
import { defineInstance } from './define-instance.ts'

export interface AddInstanceResult {
  instance: InstanceName
  /** False: it was there before, with these settings. */
  changed: boolean
  supervisor: Told | null
}

/** @throws {CliError} `instance_exists`, `setting_invalid`, `config_invalid` */
export async function addInstance(
  project: Project,
  registry: RegistryStore,
  order: { instance: InstanceName; set: Record<string, string>; secrets: Record<string, string> },
): Promise<AddInstanceResult> {
  const { instance, set, secrets } = order
  return withProjectLock(project, async () => {
    const config = await readConfig(project)
    if (config.ownSettings.has(instance)) {
      assertSame(config, instance, set, secrets)
      return { instance, changed: false, supervisor: null }
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
      return { instance, changed: true, supervisor: told }
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
  const same =
    own.length === wanted.length && wanted.every(([key, value]) => definition.settings[key] === value)
  if (same && Object.keys(secrets).length === 0) return
  throw new CliError(
    'instance_exists',
    `The instance ${name} exists with other settings. Nothing was changed.`,
    {
      hint: `Change them: mux instance set ${name} NAME=VALUE`,
    },
  )
}

import { isDeepStrictEqual } from 'node:util'
import type { InstanceName } from '@mux/contract'
import type { InstanceDefinition, InstanceEntry } from '@mux/instance'
import { replaceFile } from '@mux/instance/atomic-file'
import { readConfigText } from './config-text.ts'
import { CliError } from './errors.ts'
import { entryInText, parseConfig, type ProjectConfig } from './mux-yaml.ts'
import type { Project } from './project.ts'
import { removeFromYaml, reshapeYaml, setInYaml, type YamlValue } from './yaml-splice.ts'

/** A setting as mux.yaml has it. */
export type SettingValue = string | { secret: string }

/** One change of mux.yaml that was made. */
export interface ConfigChange {
  before: ProjectConfig
  after: ProjectConfig
  /**
   * Puts the text back as it was. Where somebody has changed the file since, only what the `instance` of the change says of
   * itself, if it still says what it said then. Returns whether it did.
   */
  undo: () => Promise<boolean>
}

/**
 * Changes mux.yaml as one step; the new text is checked before it replaces the old. The caller holds the project's lock.
 * @param edit returns the text as it was when there is nothing to change; then nothing is written
 * @throws {CliError} `config_invalid` when mux.yaml is unusable as it stands, `setting_invalid` when it would become so
 */
export async function changeConfig(
  project: Project,
  edit: (text: string, config: ProjectConfig) => string,
  instance?: InstanceName,
): Promise<ConfigChange> {
  const text = await readConfigText(project)
  const before = parseConfig(text, project)
  const changed = edit(text, before)
  const after = changed === text ? before : checked(changed, text, project)
  return { before, after, undo: await replaceText(project, text, changed, instance) }
}

/**
 * Has mux.yaml say as which host the project serves. The caller holds the project's lock.
 * @param section each key by itself, so that whatever else stands there stays
 * @throws {CliError} `config_invalid`, `setting_invalid`
 */
export async function changeHostSection(
  project: Project,
  section: Readonly<Partial<Record<'name' | 'origin' | 'listen', string>>>,
): Promise<void> {
  await changeConfig(project, (text, { host }) =>
    host
      ? Object.entries(section).reduce(
          (result, [key, value]) => setInYaml(result, ['host', key], value),
          text,
        )
      : setInYaml(text, ['host'], section),
  )
}

/** What one instance says of itself, also where not all of mux.yaml can be used; undefined when it is not in there. */
export async function readEntry(project: Project, name: InstanceName): Promise<InstanceEntry | undefined> {
  return entryInText(await readConfigText(project), name, project)
}

/**
 * Has one instance say something else of itself, in a mux.yaml that may be unusable for what it says now. The caller holds
 * the project's lock.
 * @throws {CliError} `config_invalid`
 */
export async function changeEntry(
  project: Project,
  name: InstanceName,
  wanted: InstanceEntry,
): Promise<Pick<ConfigChange, 'undo'> & { definition: InstanceDefinition }> {
  const text = await readConfigText(project)
  const changed = withEntry(text, name, entryInText(text, name, project) ?? {}, wanted)
  const after = checked(changed, text, project)
  const definition = after.instances.find((instance) => instance.name === name)!
  return { definition, undo: await replaceText(project, text, changed, name) }
}

/** @returns what {@link ConfigChange.undo} is */
async function replaceText(
  project: Project,
  text: string,
  changed: string,
  instance: InstanceName | undefined,
): Promise<() => Promise<boolean>> {
  const write = (whole: string) => replaceFile(project.configFile, whole, { unlessPresent: 0o644 })
  if (changed !== text) await write(changed)
  return async () => {
    const now = await readConfigText(project)
    const back = now === changed ? text : instance && withEntryBack(project, instance, now, changed, text)
    if (back === undefined) return false
    await write(back)
    return true
  }
}

/** The text of now with what the instance said before a change; undefined unless it says what it said after the change. */
function withEntryBack(
  project: Project,
  name: InstanceName,
  now: string,
  changed: string,
  before: string,
): string | undefined {
  try {
    const present = entryInText(now, name, project)
    const wanted = entryInText(before, name, project)
    const isOurs = isDeepStrictEqual(present, entryInText(changed, name, project))
    return present && wanted && isOurs ? withEntry(now, name, present, wanted) : undefined
  } catch (error) {
    // Somebody is in the middle of an edit, and what is wrong in it is not what the operator has to be told now.
    if (error instanceof CliError) return undefined
    throw error
  }
}

function withEntry(text: string, name: InstanceName, present: InstanceEntry, wanted: InstanceEntry): string {
  // It was read from YAML, so it can be written to it.
  return reshapeYaml(text, ['instances', name], present, wanted as Record<string, YamlValue>)
}

export function withInstance(text: string, name: InstanceName, entry: InstanceEntry): string {
  return setInYaml(text, ['instances', name], entry as Record<string, YamlValue>)
}

export function withoutInstance(text: string, name: InstanceName): string {
  return removeFromYaml(text, ['instances', name])
}

export function withSettings(
  text: string,
  name: InstanceName,
  settings: Record<string, SettingValue>,
): string {
  return Object.entries(settings).reduce(
    (result, [key, value]) => setInYaml(result, ['instances', name, 'settings', key], value),
    text,
  )
}

/** @param own all settings that the instance has of its own, among them the `keys` that go */
export function withoutSettings(
  text: string,
  name: InstanceName,
  keys: readonly string[],
  own: readonly string[],
): string {
  const path = ['instances', name, 'settings']
  if (own.every((key) => keys.includes(key))) return removeFromYaml(text, path)
  return keys.reduce((result, key) => removeFromYaml(result, [...path, key]), text)
}

function checked(text: string, before: string, project: Project): ProjectConfig {
  try {
    return parseConfig(text, project)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    // What was wrong already is told as that.
    parseConfig(before, project)
    throw new CliError('setting_invalid', 'With this change, mux.yaml could not be used. It is as it was.', {
      details: error.details,
      cause: error,
    })
  }
}

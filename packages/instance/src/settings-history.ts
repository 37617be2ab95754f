import { mkdir, readFile, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { InstanceName } from '@mux/contract'
import * as v from 'valibot'
import { replaceFile } from './atomic-file.ts'
import type { InstanceDefinition, InstanceEntry } from './definition.ts'
import type { LogEvent } from './log-event.ts'
import { Serial } from './serial.ts'
import { within } from './wait.ts'

/** How many settings of one instance are kept. */
const KEPT = 10
/** Milliseconds that a generation which is ready waits at most for its settings to be on the disk. */
const LIMIT = 2_000

/** What an instance said of itself in mux.yaml, and with what secrets, when it became ready. */
export interface ReadySettings {
  /** When it became ready with them, having had others before; in ISO. */
  at: string
  entry: InstanceEntry
  /** The values of the secrets that are its own, by the names of their files. One that others may share is not copied. */
  secrets: Readonly<Record<string, string>>
}

const history = v.object({
  v: v.literal(1),
  settings: v.array(
    v.object({
      at: v.string(),
      entry: v.record(v.string(), v.unknown()),
      secrets: v.record(v.string(), v.string()),
    }),
  ),
})

/** Thrown for a history that cannot be read; it is left as it is. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError'
  readonly file: string
  constructor(file: string, reason: string, cause?: unknown) {
    super(`The history of settings ${file} cannot be used: ${reason}.`, { cause })
    this.file = file
  }
}

/**
 * Keeps the settings with which each instance became ready, so that its operator can go back to them. They lie among the
 * secrets (0600), whose values are in them.
 */
export class SettingsHistory {
  readonly #stateDirectory: string
  readonly #log: (event: LogEvent) => void
  /** One after the other, so that none is written over. */
  readonly #writes = new Serial()

  constructor(stateDirectory: string, log: (event: LogEvent) => void) {
    this.#stateDirectory = stateDirectory
    this.#log = log
  }

  /**
   * To be called with every generation that has answered its probe. Never throws, and returns in time: an instance that
   * could serve must not be kept from it by a disk.
   * @param secrets the text of each secret among the settings, by setting
   */
  async note(definition: InstanceDefinition, secrets: Readonly<Record<string, string>>): Promise<void> {
    const written = this.#writes.run(() => this.#add(definition, secrets))
    const failed = (error: unknown) => {
      const { code, message } = error as NodeJS.ErrnoException
      this.#log({ event: 'settings_not_kept', instance: definition.name, reason: code ?? message })
    }
    await within(written.catch(failed), LIMIT)
  }

  async #add(definition: InstanceDefinition, values: Readonly<Record<string, string>>): Promise<void> {
    const { name, entry } = definition
    const secrets = ownSecrets(definition, values)
    const known = await readHistory(this.#stateDirectory, name)
    const isSame = (one: ReadySettings) => isDeepStrictEqual([one.entry, one.secrets], [entry, secrets])
    const last = known.at(-1)
    if (last && isSame(last)) return
    const others = known.filter((one) => !isSame(one))
    const settings = [...others, { at: new Date().toISOString(), entry, secrets }].slice(-KEPT)
    const file = fileOf(this.#stateDirectory, name)
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await replaceFile(file, JSON.stringify({ v: 1, settings }), 0o600)
  }
}

/**
 * The settings with which an instance became ready, no two the same, the latest last; none when it never was.
 * @throws {HistoryError}
 */
export async function readHistory(stateDirectory: string, instance: InstanceName): Promise<ReadySettings[]> {
  const file = fileOf(stateDirectory, instance)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  try {
    return v.parse(history, JSON.parse(text)).settings
  } catch (error) {
    throw new HistoryError(file, 'it is damaged, or another version of mux wrote it', error)
  }
}

export async function removeHistory(stateDirectory: string, instance: InstanceName): Promise<void> {
  await rm(fileOf(stateDirectory, instance), { force: true })
}

/** No secret has a name that begins with a dot. */
function fileOf(stateDirectory: string, instance: InstanceName): string {
  return join(stateDirectory, 'secrets', '.history', `${instance}.json`)
}

/** By the names of their files, which begin with that of the instance if nobody else has them. */
function ownSecrets(
  { name, settings }: InstanceDefinition,
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  const found = Object.entries(settings).flatMap(([key, value]) => {
    const file = typeof value === 'string' ? '' : basename(value.secretFile)
    return file.startsWith(`${name}.`) ? [[file, values[key]!] as const] : []
  })
  return Object.fromEntries(found)
}

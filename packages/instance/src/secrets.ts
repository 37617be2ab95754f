import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import type { InstanceDefinition } from './definition.ts'
import { SettingsError } from './settings.ts'

/** The most that one variable of an environment may take on Linux (MAX_ARG_STRLEN), in bytes. */
const LONGEST_SECRET = 128 * 1024

/**
 * The text of every secret among the settings, less one newline at its end.
 * @throws {SettingsError} naming the setting, never its text, when a file is missing, too large, or open to others
 */
export function readSecrets({ settings }: InstanceDefinition): Record<string, string> {
  const secrets: Record<string, string> = {}
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== 'string') secrets[name] = readSecret(name, value.secretFile)
  }
  return secrets
}

function readSecret(name: string, path: string): string {
  let descriptor: number
  try {
    // Not blocking, or a pipe in the place of the file would stop everything.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new SettingsError(
      `settings.${name}: its secret ${missing ? 'does not exist' : 'cannot be read'}.`,
      {
        cause: error,
      },
    )
  }
  try {
    const { mode, size } = fstatSync(descriptor)
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > LONGEST_SECRET) {
      throw new SettingsError(
        `settings.${name}: its secret is not a file of at most ${LONGEST_SECRET} bytes.`,
      )
    }
    if ((mode & 0o077) !== 0) {
      throw new SettingsError(`settings.${name}: others may read its secret. Make the file's mode 0600.`)
    }
    return readFileSync(descriptor, 'utf8').replace(/\r?\n$/, '')
  } finally {
    closeSync(descriptor)
  }
}

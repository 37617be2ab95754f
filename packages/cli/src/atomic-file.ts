import { randomBytes } from 'node:crypto'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Replaces a file's text as one step that survives a crash: a reader sees all of the old or all of the new. Writes through
 * a symbolic link to what it points at.
 * @param mode what the file's mode is to be, or only what it is to be unless the file exists
 */
export async function replaceFile(
  file: string,
  text: string,
  mode: number | { unlessPresent: number },
): Promise<void> {
  const target = await realpath(file).catch(orAbsent(file))
  const found = typeof mode === 'number' ? undefined : await stat(target).catch(orAbsent(undefined))
  const fresh = typeof mode === 'number' ? mode : mode.unlessPresent
  const draft = `${target}.${process.pid}.${randomBytes(6).toString('hex')}`
  try {
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.chmod(found === undefined ? fresh : found.mode & 0o7777)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  await syncDirectory(dirname(target))
}

/** Makes what was renamed, linked or removed in a directory survive a loss of power. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function orAbsent<Value>(value: Value) {
  return (error: NodeJS.ErrnoException): Value => {
    if (error.code === 'ENOENT') return value
    throw error
  }
}

import { link, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '@mux/instance/atomic-file'
import { readKey, replaceKey } from './keys.ts'

/** A key that changes without anybody noticing: what was signed with the one before is good until that is retired. */
export interface KeyRing {
  directory: string
  /** `session`, or `host-NAME`: the key is in `NAME.key`, one that it replaced in `NAME.MOMENT.key`. */
  name: string
}

export function currentFile({ directory, name }: KeyRing): string {
  return join(directory, `${name}.key`)
}

/**
 * The keys that were replaced and not retired.
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function olderKeys(ring: KeyRing): Promise<Uint8Array[]> {
  const keys = await Promise.all((await replaced(ring)).map(({ file }) => readKey(file)))
  // One may have been retired while they were read.
  return keys.filter((key) => key !== undefined)
}

/**
 * Of the keys that were replaced and not retired, the one that was in use last; undefined when there is none.
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function newestOlderKey(ring: KeyRing): Promise<Uint8Array | undefined> {
  const newest = (await replaced(ring)).sort((one, other) => other.at - one.at)[0]
  return newest && readKey(newest.file)
}

/**
 * Puts a new key, by default one of random bytes, into the place of the current one, which stays beside it. Interrupted
 * anywhere, it leaves keys with which everything is good that was.
 * @param now milliseconds since the epoch
 */
export async function replaceCurrent(ring: KeyRing, now: number, key?: Uint8Array): Promise<void> {
  await link(currentFile(ring), join(ring.directory, `${ring.name}.${now}.key`))
  await syncDirectory(ring.directory)
  await replaceKey(currentFile(ring), key)
}

/**
 * Has a ring hold a key as its current one. What it held before stays good beside it.
 * @param now milliseconds since the epoch
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function acceptKey(
  ring: KeyRing,
  key: Uint8Array,
  now: number,
): Promise<'new' | 'added' | 'unchanged'> {
  const present = await readKey(currentFile(ring))
  if (present === undefined) {
    await replaceKey(currentFile(ring), key)
    return 'new'
  }
  if (Buffer.compare(present, key) === 0) return 'unchanged'
  await replaceCurrent(ring, now, key)
  return 'added'
}

/**
 * Throws away the keys that were replaced before `moment`, in milliseconds since the epoch.
 * @returns how many those were, and how many are left
 */
export async function retireBefore(
  ring: KeyRing,
  moment: number,
): Promise<{ retired: number; kept: number }> {
  const keys = await replaced(ring)
  const over = keys.filter(({ at }) => at < moment)
  for (const { file } of over) await rm(file, { force: true })
  await syncDirectory(ring.directory)
  return { retired: over.length, kept: keys.length - over.length }
}

async function replaced({ directory, name }: KeyRing): Promise<{ file: string; at: number }[]> {
  return (await readdir(directory)).flatMap((file) => {
    const moment = file.startsWith(`${name}.`) ? /^\.(\d{13})\.key$/.exec(file.slice(name.length)) : null
    return moment === null ? [] : [{ file: join(directory, file), at: Number(moment[1]) }]
  })
}

import { link, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '@mux/instance/atomic-file'
import { ensureKey, readKey, replaceKey } from './keys.ts'

/** The key that signs. */
const CURRENT = 'session.key'
/** One that only verifies, with the moment when it was replaced, in milliseconds since the epoch. */
const REPLACED = /^session\.(\d{13})\.key$/

/**
 * The keys of sessions: the one that signs, then those that it replaced and whose sessions may live.
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function sessionKeys(directory: string): Promise<[Uint8Array, ...Uint8Array[]]> {
  const current = await ensureKey(join(directory, CURRENT))
  const keys = await Promise.all((await replacedKeys(directory)).map(({ file }) => readKey(file)))
  return [current, ...keys.filter((key) => key !== undefined)]
}

export interface RotateOptions {
  /** Milliseconds since the epoch. */
  now: number
  /** How long a session lasts, in milliseconds: a key that was replaced longer ago has none any more. */
  longest: number
  /** Keeps none of the old keys, so that everybody has to sign in again. */
  retire: boolean
}

/**
 * Makes a new key to sign with. Interrupted anywhere, it leaves keys with which every session is good that was.
 * @returns how many old keys still verify
 * @throws {CliError} `key_exposed`, `key_unusable`
 */
export async function rotateSessionKey(
  directory: string,
  { now, longest, retire }: RotateOptions,
): Promise<number> {
  const current = join(directory, CURRENT)
  await ensureKey(current)
  if (!retire) {
    await link(current, join(directory, `session.${now}.key`))
    await syncDirectory(directory)
  }
  await replaceKey(current)
  const keys = await replacedKeys(directory)
  const over = keys.filter(({ at }) => retire || at < now - longest)
  for (const { file } of over) await rm(file, { force: true })
  await syncDirectory(directory)
  return keys.length - over.length
}

async function replacedKeys(directory: string): Promise<{ file: string; at: number }[]> {
  return (await readdir(directory)).flatMap((name) => {
    const match = REPLACED.exec(name)
    return match === null ? [] : [{ file: join(directory, name), at: Number(match[1]) }]
  })
}

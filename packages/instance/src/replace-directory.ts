import { existsSync } from 'node:fs'
import { readlink, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Puts a directory in the place of another one, both on one disk. Killed in the middle, it is for {@link repairDirectory}. */
export async function replaceDirectory(by: string, place: string): Promise<void> {
  const replaced = replacedName(place)
  await rm(replaced, { recursive: true, force: true })
  await rename(place, replaced)
  await rename(by, place)
  await rm(replaced, { recursive: true, force: true })
}

/**
 * Puts back what {@link replaceDirectory} has left beside its place when it was killed between its two steps. To be called before
 * anybody makes the directory anew, since what was there is removed by the next one that is put there.
 * @param path of the directory, or of a link to it
 */
export async function repairDirectory(path: string): Promise<void> {
  const place = await leadsTo(path)
  if (!existsSync(place) && existsSync(replacedName(place))) await rename(replacedName(place), place)
}

function replacedName(place: string): string {
  return `${place}.replaced`
}

/** Where a link leads, also when nothing is there; what is no link is itself. */
async function leadsTo(path: string): Promise<string> {
  const target = await readlink(path).catch(() => undefined)
  return target === undefined ? path : resolve(dirname(path), target)
}

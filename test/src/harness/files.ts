import type { Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** All that is below a directory by its path from there, less what goes while it is looked at: mux is at work there. */
export async function filesBelow(directory: string, from = ''): Promise<Map<string, Stats>> {
  const found = new Map<string, Stats>()
  for (const name of await readdir(join(directory, from)).catch(unlessGone)) {
    const path = join(from, name)
    const stats = await lstat(join(directory, path)).catch(unlessGone)
    if (!('isFile' in stats)) continue
    found.set(path, stats)
    if (stats.isDirectory())
      for (const [below, its] of await filesBelow(directory, path)) found.set(below, its)
  }
  return found
}

function unlessGone(error: NodeJS.ErrnoException): never[] {
  if (error.code === 'ENOENT') return []
  throw error
}

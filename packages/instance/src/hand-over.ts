import { constants, type Stats } from 'node:fs'
import { type FileHandle, lchown, lstat, open, readdir, realpath } from 'node:fs/promises'
import type { Account } from './account.ts'

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
/** Not blocking, or a pipe in the place of the file would be waited for. */
const FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * Gives a directory, with all in it that belongs to whom the directory itself belongs, to another account. For root
 * alone. The directory was filled by a program that may have been hostile, so nothing is followed, and nothing given
 * that lies elsewhere too: what belongs to others stays theirs, and a file with several names is given only when all
 * of them are in here. The directory itself comes last, so that what was interrupted is done again.
 * @param signal gives it up half-way
 */
export async function handOver(directory: string, to: Account, signal: AbortSignal): Promise<void> {
  // It may itself be a link, to another disk: that one is the operator's.
  const handle = await open(await realpath(directory), DIRECTORY)
  try {
    const { uid, gid } = await handle.stat()
    if (uid === to.uid && gid === to.gid) return
    await new HandOver(uid, to, signal).directory(handle)
  } finally {
    await handle.close()
  }
}

class HandOver {
  readonly #from: number
  readonly #to: Account
  readonly #signal: AbortSignal
  /** How many names of a file have been met, by device and number. */
  readonly #names = new Map<string, number>()

  constructor(from: number, to: Account, signal: AbortSignal) {
    this.#from = from
    this.#to = to
    this.#signal = signal
  }

  /** Its entries are named by way of its descriptor, so that no directory above them can be exchanged for a link. */
  async directory(handle: FileHandle): Promise<void> {
    const path = `/proc/self/fd/${handle.fd}`
    for (const name of await readdir(path)) {
      this.#signal.throwIfAborted()
      await this.#entry(`${path}/${name}`)
    }
    const { uid, gid } = this.#to
    await handle.chown(uid, gid)
  }

  async #entry(path: string): Promise<void> {
    const found = await lstat(path)
    if (found.uid !== this.#from) return
    if (!found.isDirectory() && !found.isFile()) {
      await lchown(path, this.#to.uid, this.#to.gid)
      return
    }
    const handle = await open(path, found.isDirectory() ? DIRECTORY : FILE)
    try {
      const opened = await handle.stat()
      if (opened.uid !== this.#from) return
      if (opened.isDirectory()) await this.directory(handle)
      else if (this.#isOnlyHere(opened)) await handle.chown(this.#to.uid, this.#to.gid)
    } finally {
      await handle.close()
    }
  }

  /** True for the last of its names, when all of them have been met. */
  #isOnlyHere({ dev, ino, nlink }: Stats): boolean {
    const key = `${dev}/${ino}`
    const met = (this.#names.get(key) ?? 0) + 1
    this.#names.set(key, met)
    return met === nlink
  }
}

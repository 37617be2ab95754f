import { randomBytes } from 'node:crypto'
import { link, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Milliseconds after which a draft is nobody's any more: no write takes so long. */
const DRAFT_LIFE = 15 * 60_000

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
  await withDraft(target, text, found === undefined ? fresh : found.mode & 0o7777, (draft) =>
    rename(draft, target),
  )
}

/**
 * Makes a file as one step that survives a crash, unless there is one.
 * @returns false when there is one; it is as it was
 */
export async function createFile(file: string, text: string, mode: number): Promise<boolean> {
  let created = true
  await withDraft(file, text, mode, async (draft) => {
    // Unlike a rename, a link never replaces what another process has put there meanwhile.
    await link(draft, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
      created = false
    })
  })
  return created
}

/** Writes a file beside the one that is meant, has it put into its place, and leaves nothing of it behind. */
async function withDraft(
  file: string,
  text: string,
  mode: number,
  place: (draft: string) => Promise<void>,
): Promise<void> {
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`
  try {
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.chmod(mode)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await place(draft)
  } finally {
    await rm(draft, { force: true })
  }
  await removeAbandoned(file)
  await syncDirectory(dirname(file))
}

/** Removes the drafts of processes that were killed while they wrote this file; there may be a secret in them. */
async function removeAbandoned(file: string): Promise<void> {
  const name = basename(file)
  const found = await readdir(dirname(file))
  const drafts = found.filter(
    (one) => one.startsWith(name) && /^\.\d+\.[0-9a-f]{12}$/.test(one.slice(name.length)),
  )
  for (const draft of drafts.map((one) => join(dirname(file), one))) {
    const { mtimeMs } = (await stat(draft).catch(orAbsent(undefined))) ?? { mtimeMs: Infinity }
    // oxlint-disable-next-line no-restricted-properties -- the age of a file is told by the wall clock
    if (Date.now() - mtimeMs > DRAFT_LIFE) await rm(draft, { force: true })
  }
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

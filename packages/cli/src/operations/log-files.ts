import { type FileHandle, open, readFile, stat } from 'node:fs/promises'
import { LOG_FILES, marksPath, olderFile } from '@mux/instance/logs'

/** Marks are a second apart; see {@link offsetSince}. */
const MARK_EVERY = 1_000

/** One file of a rotated log, open, so that it can be read to its end even after it was deleted. */
export interface LogPart {
  handle: FileHandle
  /** What was written when; empty when that is not known. */
  marks: readonly Mark[]
}

interface Mark {
  time: number
  offset: number
}

/** All files of a log, oldest first; none when there is none. The caller closes them. */
export async function openParts(file: string): Promise<LogPart[]> {
  const parts: LogPart[] = []
  // From the newest on: when they are rotated meanwhile, one comes twice, which can be told, but none is left out.
  for (let age = 0; age < LOG_FILES; age++) {
    const handle = await openIfThere(olderFile(file, age))
    if (handle === undefined) continue
    const known = await Promise.all(parts.map((part) => isSame(part.handle, handle)))
    if (known.includes(true)) await handle.close()
    else parts.unshift({ handle, marks: await readMarks(file, age, handle) })
  }
  return parts
}

/** Whether the log goes on in another file than this one. A file that was moved away may still be written to. */
export async function isReplaced(file: string, handle: FileHandle): Promise<boolean> {
  const [there, held] = await Promise.all([stat(file).catch(() => undefined), handle.stat()])
  return there !== undefined && (there.ino !== held.ino || there.dev !== held.dev)
}

export async function isSame(one: FileHandle, other: FileHandle): Promise<boolean> {
  const [a, b] = await Promise.all([one.stat(), other.stat()])
  return a.ino === b.ino && a.dev === b.dev
}

/**
 * Where in a file that begins which came at or after `since`, in milliseconds since 1970: no line that did is before
 * it, and what is behind it came at most a second earlier. Where nothing was noted, a file counts as a whole.
 * @param changed when the file was last written to
 */
export function offsetSince(
  marks: readonly Mark[],
  since: number,
  { size, changed }: { size: number; changed: number },
): number {
  // What stands between two marks came within a second of the first.
  const index = marks.findIndex(({ time }) => time + MARK_EVERY > since)
  if (index > 0) return Math.min(marks[index]!.offset, size)
  if (index === 0) return 0
  return changed + MARK_EVERY < since ? size : (marks.at(-1)?.offset ?? 0)
}

/** Reads the marks of a file, skipping what is none. */
export function parseMarks(text: string): Mark[] {
  return text.split('\n').flatMap((line) => {
    const [, time, offset] = /^(\d{1,15}) (\d{1,15})$/.exec(line) ?? []
    return offset === undefined ? [] : [{ time: Number(time), offset: Number(offset) }]
  })
}

async function readMarks(file: string, age: number, handle: FileHandle): Promise<Mark[]> {
  const text = await readFile(olderFile(marksPath(file), age), 'utf8').catch(() => '')
  // Rotated meanwhile, they may be those of another file.
  return (await isReplaced(olderFile(file, age), handle)) ? [] : parseMarks(text)
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  return open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

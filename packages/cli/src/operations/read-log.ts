import type { FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { isReplaced, isSame, type LogPart, offsetSince, openParts } from './log-files.ts'

/** How often a followed log is looked at, in milliseconds: unnoticed by a person, and nothing to the machine. */
const LOOK_EVERY = 200
const CHUNK = 64 * 1024
const NOTHING = Buffer.alloc(0)

export interface ReadLogOptions {
  /** How many of the last lines there are to begin with; null: all. */
  lines: number | null
  /** Begins with what came at or after this moment, in milliseconds since 1970; see `offsetSince`. */
  since?: number | undefined
  /** Goes on with what is written from then on, until this is aborted; without it, ends at the end of the log. */
  follow?: AbortSignal
  /** Told when so much was written at once that a part of it was deleted before it could be read. */
  missed?: () => void
}

/** The lines of a log, oldest first. */
export async function readLines(
  file: string,
  range: Pick<ReadLogOptions, 'lines' | 'since'>,
): Promise<string[]> {
  let text = ''
  for await (const piece of readLog(file, range)) text += piece
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

/**
 * The text of a log, piece by piece, however large it is and over all of its files. A followed log may be missing at
 * first, may be cut to nothing, and may go on in a new file: nothing that was written to either is left out or comes
 * twice.
 */
export async function* readLog(file: string, options: ReadLogOptions): AsyncGenerator<string> {
  const { lines, since, follow, missed } = options
  let parts = await openParts(file)
  // A character may come in two halves.
  const decoder = new TextDecoder()
  try {
    let position = await findBegin(parts, lines, since)
    for (;;) {
      const part = parts[0]
      const isLast = parts.length <= 1
      // Looked at first: what is there once it is known to be replaced is all that it will ever have.
      const replaced = isLast && part !== undefined && (await isReplaced(file, part.handle))
      let piece = part ? await readAt(part.handle, position) : NOTHING
      while (piece.length > 0) {
        position += piece.length
        yield decoder.decode(piece, { stream: true })
        piece = await readAt(part!.handle, position)
      }
      if (!isLast) {
        await parts.shift()!.handle.close()
        position = 0
        continue
      }
      if (!follow || follow.aborted) return
      if (!part || replaced) {
        const newer = await successors(file, part, missed)
        if (newer.length > 0) {
          await part?.handle.close()
          parts = newer
          position = 0
          continue
        }
      } else if ((await part.handle.stat()).size < position) {
        position = 0
        continue
      }
      await delay(LOOK_EVERY, undefined, { signal: follow }).catch(() => undefined)
    }
  } finally {
    await Promise.all(parts.map(({ handle }) => handle.close()))
  }
}

/** The files that came after one, oldest first. */
async function successors(
  file: string,
  last: LogPart | undefined,
  missed: (() => void) | undefined,
): Promise<LogPart[]> {
  const all = await openParts(file)
  if (last === undefined) return all
  const known = await Promise.all(all.map(({ handle }) => isSame(handle, last.handle)))
  const index = known.indexOf(true)
  const old = all.slice(0, index + 1)
  await Promise.all(old.map(({ handle }) => handle.close()))
  // Somebody who moves a log away takes one file; that many are only gone when they have been rotated away.
  if (index === -1 && all.length > 1) missed?.()
  return all.slice(index + 1)
}

/** Drops the parts that are not wanted, and tells where in the first of the others to begin. */
async function findBegin(parts: LogPart[], lines: number | null, since: number | undefined): Promise<number> {
  let missing = lines ?? Infinity
  for (let index = parts.length - 1; index >= 0; index--) {
    const { handle, marks } = parts[index]!
    const { size, mtimeMs } = await handle.stat()
    const first = since === undefined ? 0 : offsetSince(marks, since, { size, changed: mtimeMs })
    const found = await startOfLastLines(handle, { first, size, lines: missing })
    missing -= found.lines
    if (missing > 0 && first === 0) continue
    const dropped = parts.splice(0, index)
    await Promise.all(dropped.map((part) => part.handle.close()))
    return found.position
  }
  return 0
}

/** Where the last `lines` lines of a part of a file begin, and how many there are; one without an end counts too. */
async function startOfLastLines(
  handle: FileHandle,
  { first, size, lines }: { first: number; size: number; lines: number },
): Promise<{ position: number; lines: number }> {
  if (lines === 0 || first >= size) return { position: Math.max(first, size), lines: 0 }
  if (lines === Infinity) return { position: first, lines: 1 }
  let found = 0
  for (let end = size; end > first;) {
    const begin = Math.max(first, end - CHUNK)
    const piece = await readAt(handle, begin, end - begin)
    for (let at = piece.length - 1; at >= 0; at -= 1) {
      const isEndOfLine = piece[at] === 0x0a && begin + at !== size - 1
      if (isEndOfLine && (found += 1) === lines) return { position: begin + at + 1, lines: found }
    }
    end = begin
  }
  return { position: first, lines: found + 1 }
}

async function readAt(handle: FileHandle, position: number, length = CHUNK): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

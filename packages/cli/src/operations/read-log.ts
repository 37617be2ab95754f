import { type FileHandle, open, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** How often a followed log is looked at, in milliseconds: unnoticed by a person, and nothing to the machine. */
const LOOK_EVERY = 200
const CHUNK = 64 * 1024
const NOTHING = Buffer.alloc(0)

export interface ReadLogOptions {
  /** How many of the last lines there are to begin with. */
  lines: number
  /** Goes on with what is written from then on, until this is aborted; without it, ends at the end of the file. */
  follow?: AbortSignal
}

/**
 * The text of a log, piece by piece, however large it is. A followed log may be missing at first, may be cut to
 * nothing, and may be replaced by a new file: nothing that was written to either is left out.
 */
export async function* readLog(file: string, { lines, follow }: ReadLogOptions): AsyncGenerator<string> {
  let handle = await openIfThere(file)
  let position = handle ? await startOfLastLines(handle, lines) : 0
  // A character may come in two halves.
  const decoder = new TextDecoder()
  try {
    for (;;) {
      const replaced = handle !== undefined && (await isReplaced(file, handle))
      for (;;) {
        const piece = handle ? await readAt(handle, position) : NOTHING
        if (piece.length === 0) break
        position += piece.length
        yield decoder.decode(piece, { stream: true })
      }
      if (!follow || follow.aborted) return
      if (handle && replaced) {
        await handle.close()
        handle = undefined
      }
      if (handle === undefined) {
        handle = await openIfThere(file)
        position = 0
        if (handle) continue
      } else if ((await handle.stat()).size < position) {
        position = 0
        continue
      }
      await delay(LOOK_EVERY, undefined, { signal: follow }).catch(() => undefined)
    }
  } finally {
    await handle?.close()
  }
}

/** Where the last `lines` lines of a file begin; a last line without an end counts as one. */
async function startOfLastLines(handle: FileHandle, lines: number): Promise<number> {
  const { size } = await handle.stat()
  if (lines === 0) return size
  let missing = lines
  for (let end = size; end > 0;) {
    const begin = Math.max(0, end - CHUNK)
    const piece = await readAt(handle, begin, end - begin)
    for (let at = piece.length - 1; at >= 0; at -= 1) {
      const isEndOfLine = piece[at] === 0x0a && begin + at !== size - 1
      if (isEndOfLine && (missing -= 1) === 0) return begin + at + 1
    }
    end = begin
  }
  return 0
}

async function readAt(handle: FileHandle, position: number, length = CHUNK): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  return open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

async function isReplaced(file: string, handle: FileHandle): Promise<boolean> {
  const [there, held] = await Promise.all([stat(file).catch(() => undefined), handle.stat()])
  return there === undefined || there.ino !== held.ino || there.dev !== held.dev
}

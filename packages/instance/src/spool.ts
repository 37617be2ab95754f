import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'

/** Up to so many bytes are kept in memory. */
const IN_MEMORY = 1024 * 1024
/** More than anybody moves from one host to another as one body, in bytes. */
export const SPOOL_LIMIT = 64 * 1024 ** 3

export interface SpoolOptions {
  /** A private directory, for a body that is not kept in memory. */
  directory: string
  /** Bytes that it may have; 64 GiB if absent. */
  limit?: number
}

/** A body that has come whole. */
export interface Spooled {
  readonly size: number
  /** SHA-256 of it, base64. */
  readonly sha256: string
  /** Its first bytes, at most so many. */
  start(bytes: number): Promise<Uint8Array>
  /** What follows the first so many bytes; may be read again. */
  from(offset: number): Readable
  /** Keeps it no longer. */
  dispose(): Promise<void>
}

/** The body is longer than it may be. */
export class SpoolLimitError extends Error {
  override readonly name = 'SpoolLimitError'
}

/**
 * Takes a body whole before anybody acts on it: what is signed is known to be so only at its end. Its file has no name,
 * so that nothing of it is left, whatever becomes of this process.
 * @throws {SpoolLimitError}; what the source throws, and the error of the system when the disk has no room
 */
export async function spool(
  source: AsyncIterable<Uint8Array>,
  { directory, limit = SPOOL_LIMIT }: SpoolOptions,
): Promise<Spooled> {
  const hash = createHash('sha256')
  const held: Uint8Array[] = []
  let file: FileHandle | undefined
  let size = 0
  try {
    for await (const chunk of source) {
      size += chunk.length
      if (size > limit) throw new SpoolLimitError(`The body is longer than ${limit} bytes.`)
      hash.update(chunk)
      held.push(chunk)
      if (file === undefined && size <= IN_MEMORY) continue
      file ??= await openNameless(directory)
      for (const one of held.splice(0)) await file.appendFile(one)
    }
  } catch (error) {
    await file?.close()
    throw error
  }
  const sha256 = hash.digest('base64')
  return file === undefined
    ? inMemory(Buffer.concat(held), sha256)
    : { size, sha256, ...reading(file), dispose: () => file.close() }
}

function inMemory(bytes: Buffer, sha256: string): Spooled {
  return {
    size: bytes.length,
    sha256,
    start: (length) => Promise.resolve(bytes.subarray(0, length)),
    from: (offset) => Readable.from(offset < bytes.length ? [bytes.subarray(offset)] : []),
    dispose: () => Promise.resolve(),
  }
}

function reading(file: FileHandle): Pick<Spooled, 'start' | 'from'> {
  return {
    start: async (length) => {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, 0)
      return buffer.subarray(0, bytesRead)
    },
    from: (offset) => file.createReadStream({ start: offset, autoClose: false }),
  }
}

async function openNameless(directory: string): Promise<FileHandle> {
  const path = join(directory, `body.${process.pid}.${randomBytes(6).toString('hex')}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

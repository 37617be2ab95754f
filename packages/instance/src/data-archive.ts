import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Stats } from 'node:fs'
import { chmod, mkdir, realpath, rm, stat } from 'node:fs/promises'
import { create } from 'tar/create'
import type { ReadEntry } from 'tar/read-entry'
import { Unpack } from 'tar/unpack'
import { replaceDirectory } from './replace-directory.ts'
import { within } from './wait.ts'

/** What was to be taken in is no archive, breaks off, or would write somewhere else. Nothing was changed. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError'
}

const PERMISSIONS = 0o777
/** How long what was begun may take to come to its end when an archive has failed, in milliseconds. */
const QUIET_LIMIT = 5_000

/**
 * The directory of an instance's data as a tar, in pieces: files, directories and links, with their permissions and times.
 * Sockets and pipes are left out, since they lead to a process. While it is read, nobody should write into the directory: a
 * file that shrinks meanwhile fails it.
 */
export function archiveData(data: string): AsyncIterable<Buffer> {
  const filter = (_: string, found: Stats | ReadEntry) => !('isSocket' in found && isDoor(found))
  return create({ cwd: data, strict: true, filter }, ['.'])
}

function isDoor(found: Stats): boolean {
  return found.isSocket() || found.isFIFO() || found.isCharacterDevice() || found.isBlockDevice()
}

/**
 * Makes the directory of an instance's data what an archive has: all of it, or nothing. What is in an archive is not believed:
 * it writes nowhere else, by no name and by no link, makes no devices, gives nobody rights by its owner, and lets nobody in. All that it has
 * belongs to mux, which gives it to the instance when that starts.
 * @param data absolute path; it may be a link to another disk, and need not exist
 * @throws {ArchiveError}; the error of the system when the disk has no room
 */
export async function unpackData(source: AsyncIterable<Uint8Array>, data: string): Promise<void> {
  await mkdir(data, { recursive: true, mode: 0o700 })
  const place = await realpath(data)
  // The name of an instance has no dot in it, so that this is the directory of none. Beside it, since a rename crosses no disks.
  const staging = `${place}.import-${randomBytes(6).toString('hex')}`
  try {
    await mkdir(staging, { mode: 0o700 })
    await unpack(source, staging)
    // An archive says of the directory itself as well who may enter, such as everybody.
    await chmod(staging, (await stat(place)).mode & PERMISSIONS)
    await replaceDirectory(staging, place)
  } finally {
    await rm(staging, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function unpack(source: AsyncIterable<Uint8Array>, directory: string): Promise<void> {
  let whole = false
  const unpacking = new Unpack({
    cwd: directory,
    strict: true,
    preserveOwner: false,
    chmod: true,
    filter: (_, entry) => {
      // Without what would make its owner somebody else, or let others in by it.
      if ('header' in entry && entry.mode !== undefined) entry.mode &= PERMISSIONS
      return true
    },
  })
  unpacking.on('eof', () => {
    whole = true
  })
  try {
    await writeAll(source, unpacking)
  } catch (error) {
    throw isOfArchive(error)
      ? new ArchiveError(`The archive cannot be taken: ${reasonOf(error)}.`, { cause: error })
      : error
  }
  if (!whole) throw new ArchiveError('The archive breaks off, or is none.')
}

/** By hand: what it is written into is no stream of Node, and may have ended before a pipeline would listen for that. */
async function writeAll(source: AsyncIterable<Uint8Array>, unpacking: Unpack): Promise<void> {
  let failed = false
  const ended = new Promise<void>((resolve, reject) => {
    unpacking.once('end', resolve)
    unpacking.on('error', (error) => {
      failed = true
      reject(error as Error)
    })
  })
  ended.catch(() => {})
  const quiet = new Promise<void>((resolve) => {
    for (const event of ['end', 'abort']) unpacking.once(event, resolve)
  })
  try {
    for await (const piece of source) {
      if (failed) break
      if (!unpacking.write(Buffer.from(piece))) await Promise.race([once(unpacking, 'drain'), ended])
    }
  } finally {
    // Also when something has failed, it goes on with what it has begun to write, and would do so in what is being removed.
    unpacking.end()
    await within(quiet, QUIET_LIMIT)
  }
  await ended
}

interface TarError extends Error {
  tarCode: string
  entry?: { path: string }
}

function isOfArchive(error: unknown): error is TarError {
  // What the disk or the system refuses comes with a code of the system besides.
  return error instanceof Error && 'tarCode' in error && !('errno' in error)
}

function reasonOf({ message, tarCode, entry }: TarError): string {
  const text = message.replace(`${tarCode}: `, '')
  return entry === undefined ? text : `${entry.path}: ${text}`
}

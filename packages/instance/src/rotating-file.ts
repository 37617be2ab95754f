import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { type FileLimits, nextCut } from './line-cut.ts'
import { LOG_FILES, olderFile } from './log-paths.ts'
import { TimeMarks } from './time-marks.ts'

/** Bytes of a file, and of the longest line that stays whole. */
const FILE_BYTES = 10 * 1024 * 1024
const LINE_BYTES = 1024 * 1024
/** At intervals of how many milliseconds it is looked for whether somebody has moved or deleted the file. */
const LOOK_EVERY = 1_000
const LINE_END = Buffer.from('\n')

export interface RotatingFileOptions {
  /** Absolute path; its directory is made when it is not there. */
  path: string
  /** Where to note when what was written, for {@link TimeMarks}; absent: nowhere. */
  marks?: string
  limits?: FileLimits
  rotated?: () => void
  /** Told once when writing begins to fail, with the code of the error. */
  failed?: (code: string) => void
}

/**
 * A file of lines that grows to its limit, becomes `.1`, and begins again; the oldest is deleted. One process writes
 * it. Nothing throws: what a full disk does not take is counted, and told in a line of its own when there is room.
 */
export class RotatingFile {
  readonly #options: RotatingFileOptions
  readonly #limits: FileLimits
  readonly #marks: TimeMarks | undefined
  #descriptor: number | undefined
  #size = 0
  #atLineStart = true
  #lookedAt = 0
  #lost = 0
  /** What is to be written and has not been. */
  #pending: Buffer = LINE_END

  constructor(options: RotatingFileOptions) {
    this.#options = options
    this.#limits = options.limits ?? { soft: FILE_BYTES - LINE_BYTES, hard: FILE_BYTES }
    if (options.marks !== undefined) this.#marks = new TimeMarks(options.marks)
  }

  write(bytes: Buffer): void {
    this.#pending = bytes
    try {
      this.#ensureOpen()
      this.#tellLoss()
      while (this.#pending.length > 0) {
        this.#mark()
        const { length, full } = nextCut(this.#pending, this.#size, this.#limits)
        this.#append(length)
        if (full || (this.#marks?.isFull && this.#atLineStart)) this.#rotate()
      }
    } catch (error) {
      if (this.#lost === 0) this.#options.failed?.((error as NodeJS.ErrnoException).code ?? String(error))
      this.#lost += this.#pending.length
    }
  }

  /** Ends a line that somebody else has left without an end. */
  endLine(): void {
    try {
      this.#ensureOpen()
    } catch {
      return
    }
    if (!this.#atLineStart) this.write(LINE_END)
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    this.#marks?.close()
  }

  /** Moves so many bytes of what is pending into the file. */
  #append(length: number): void {
    const end = this.#pending.length - length
    while (this.#pending.length > end) {
      const written = writeSync(this.#descriptor!, this.#pending, 0, this.#pending.length - end)
      this.#size += written
      this.#atLineStart = this.#pending[written - 1] === 0x0a
      this.#pending = this.#pending.subarray(written)
    }
  }

  #mark(): void {
    const lineStart = this.#atLineStart ? 0 : this.#pending.indexOf(0x0a) + 1
    if (this.#atLineStart || lineStart > 0) this.#marks?.note(this.#size + lineStart)
  }

  #tellLoss(): void {
    if (this.#lost === 0) return
    const text = `${this.#atLineStart ? '' : '\n'}[mux: ${this.#lost} bytes could not be written here]\n`
    writeSync(this.#descriptor!, text)
    this.#lost = 0
    this.#size += text.length
    this.#atLineStart = true
    if (this.#size >= this.#limits.hard) this.#rotate()
  }

  #ensureOpen(): void {
    const now = performance.now()
    if (this.#descriptor !== undefined && now - this.#lookedAt < LOOK_EVERY) return
    this.#lookedAt = now
    if (this.#descriptor !== undefined && isSameFile(this.#descriptor, this.#options.path)) return
    this.close()
    this.#open()
  }

  #open(): void {
    const { path } = this.#options
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW } = constants
    this.#descriptor = openSync(path, O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o600)
    this.#size = fstatSync(this.#descriptor).size
    this.#atLineStart = this.#size === 0 || lastByte(this.#descriptor, this.#size) === 0x0a
    if (this.#size === 0) this.#marks?.begin()
    else if (this.#size >= this.#limits.hard) this.#rotate()
  }

  #rotate(): void {
    const { path, rotated, marks } = this.#options
    this.close()
    shift(path)
    if (marks !== undefined) shift(marks)
    this.#open()
    rotated?.()
  }
}

/** Makes room for a new file: each becomes the next older one, and the oldest is no more. */
function shift(path: string): void {
  for (let n = LOG_FILES - 1; n > 0; n--) {
    try {
      renameSync(olderFile(path, n - 1), olderFile(path, n))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      rmSync(olderFile(path, n), { force: true })
    }
  }
}

function lastByte(descriptor: number, size: number): number | undefined {
  const byte = Buffer.alloc(1)
  readSync(descriptor, byte, 0, 1, size - 1)
  return byte[0]
}

function isSameFile(descriptor: number, path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false })
  const held = fstatSync(descriptor)
  return there?.ino === held.ino && there.dev === held.dev
}

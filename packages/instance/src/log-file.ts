import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'

/** The most that is read from the end of a log, in bytes, and the most of one line that is shown, in characters. */
const TAIL_BYTES = 64 * 1024
const LINE_LENGTH = 2_000

/** The file that an instance's output is appended to, by all its generations. */
export class LogFile {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /**
   * Opens it for a new generation, which inherits the descriptor; the caller closes its own copy. A directory that
   * somebody deleted is made again.
   * @returns the descriptor, and the length of the file before this generation's first byte
   */
  open(): { descriptor: number; start: number } {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 })
    const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW } = constants
    const descriptor = openSync(this.path, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW, 0o600)
    return { descriptor, start: fstatSync(descriptor).size }
  }

  /**
   * The last lines, oldest first, fit to be shown; none when the file is missing.
   * @param start what comes before this offset is left out
   */
  tail(lines: number, start = 0): string[] {
    return tailText(this.#read(start), lines)
  }

  #read(start: number): string {
    let descriptor: number
    try {
      descriptor = openSync(this.path, constants.O_RDONLY | constants.O_NOFOLLOW)
    } catch {
      return ''
    }
    try {
      const { size } = fstatSync(descriptor)
      // Shorter than before: it was replaced meanwhile, and all of it is new.
      const from = Math.max(start > size ? 0 : start, size - TAIL_BYTES)
      const bytes = Buffer.alloc(size - from)
      return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, bytes.length, from))
    } finally {
      closeSync(descriptor)
    }
  }
}

function tailText(text: string, lines: number): string[] {
  const all = text.split('\n')
  if (all.at(-1) === '') all.pop()
  return all.slice(-lines).map((line) => printable(line.replace(/\r$/, '')).slice(0, LINE_LENGTH))
}

/** A text from outside, fit for a terminal: control characters and those that turn the direction of writing are escaped. */
export function printable(text: string): string {
  return text.replace(
    /[^\P{Cc}\t]|[\u2028-\u202e\u2066-\u2069]/gu,
    (character) => `\\x${character.codePointAt(0)!.toString(16).padStart(2, '0')}`,
  )
}

import { closeSync, openSync, rmSync, writeSync } from 'node:fs'

/** Milliseconds between two marks, so that a moment is found in a log to within that. */
const MARK_EVERY = 1_000
/** A file has no more marks than this, some 24 bytes each: an output that drips for months is rotated for their sake. */
const MOST_MARKS = 50_000

/**
 * When what was written to a log: lines `<milliseconds since 1970> <offset>` in a file beside it, at most one a second,
 * each the offset of the first line that came at or after its time. Without them a log is only less easily found in,
 * so nothing throws.
 */
export class TimeMarks {
  readonly #path: string
  #descriptor: number | undefined
  #count = 0
  #last = -MARK_EVERY

  constructor(path: string) {
    this.#path = path
  }

  get isFull(): boolean {
    return this.#count >= MOST_MARKS
  }

  /** A line that begins at `offset` comes now. */
  note(offset: number): void {
    const now = performance.now()
    if (now - this.#last < MARK_EVERY) return
    this.#last = now
    try {
      this.#descriptor ??= openSync(this.#path, 'a', 0o600)
      // oxlint-disable-next-line no-restricted-properties -- what people look for in a log has a date
      writeSync(this.#descriptor, `${Date.now()} ${offset}\n`)
      this.#count++
    } catch {
      this.close()
    }
  }

  /** The log is a new one: marks that are there belong to another. */
  begin(): void {
    this.close()
    try {
      rmSync(this.#path, { force: true })
    } catch {
      // They are overtaken by those that follow; see `offsetSince`.
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    this.#count = 0
    this.#last = -MARK_EVERY
  }
}

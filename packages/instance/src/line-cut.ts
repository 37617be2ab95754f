export interface FileLimits {
  /** From this many bytes on, a file is full at the next end of a line. */
  soft: number
  /** No file is longer, so a line is cut only where it alone is longer than what lies between the two. */
  hard: number
}

/**
 * How much of what is to be written goes into a file, and whether the file is full with that.
 * @param size bytes that the file has, less than `limits.hard`
 */
export function nextCut(
  bytes: Buffer,
  size: number,
  { soft, hard }: FileLimits,
): { length: number; full: boolean } {
  const room = hard - size
  const end = bytes.indexOf(0x0a, Math.max(0, soft - size - 1))
  if (end !== -1 && end < room) return { length: end + 1, full: true }
  return bytes.length < room ? { length: bytes.length, full: false } : { length: room, full: true }
}

/** Pauses before another generation is asked for, in milliseconds: 0.6 s in all. */
const PAUSES = [20, 40, 80, 160, 320]

/**
 * A generation that nobody could connect to has not seen the request, and may have died a moment before the supervisor
 * learns of it: then the request is put to whichever generation comes next, whatever its method.
 * @param attempt how often that has been done for this request
 * @returns milliseconds until then; undefined when the request may have been seen, or when it is time to give up
 */
export function reclaimDelay(error: Error, attempt: number): number | undefined {
  const { syscall, code } = error as NodeJS.ErrnoException
  return syscall === 'connect' && (code === 'ECONNREFUSED' || code === 'ENOENT') ? PAUSES[attempt] : undefined
}

/** Pauses before another generation is asked for, in milliseconds: 0.6 s in all. */
const PAUSES = [20, 40, 80, 160, 320]
/** How long one that has too much to do to take a connection is given, likewise: 10 s in all. */
const PAUSES_OF_BUSY = [...PAUSES, ...Array.from({ length: 30 }, () => 320)]

/**
 * A generation that nobody could connect to has not seen the request, and may have died a moment before the supervisor
 * learns of it: then the request is put to whichever generation comes next, whatever its method. One that lives and has as
 * many connections waiting as it wants to is another matter: at a port the kernel waits for it, at a Unix socket it says so
 * at once (EAGAIN, connect(2)).
 * @param attempt how often that has been done for this request
 * @returns milliseconds until then; undefined when the request may have been seen, or when it is time to give up
 */
export function reclaimDelay(error: Error, attempt: number): number | undefined {
  const { syscall, code } = error as NodeJS.ErrnoException
  if (syscall !== 'connect') return undefined
  if (code === 'EAGAIN') return PAUSES_OF_BUSY[attempt]
  return code === 'ECONNREFUSED' || code === 'ENOENT' ? PAUSES[attempt] : undefined
}

/** How long a failure is kept from its client, while it is not known whether the process has ended, in milliseconds. */
export const LAST_BREATH = 200

const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/**
 * True for a connection that was closed in the middle of an exchange, as the kernel closes those of a process that is
 * killed: the last ones first, and the one that listens at the end. Until then it takes connections that nobody will
 * serve, and a client that was cut off at once and asks again would be the victim.
 */
export function mayBeDying(error: Error): boolean {
  return BROKEN.has(String((error as NodeJS.ErrnoException).code))
}

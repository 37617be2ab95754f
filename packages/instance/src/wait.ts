/**
 * Waits for `promise`, but not longer than `milliseconds` and not after `signal` aborts. Never rejects.
 * @returns whether it was settled in time
 */
export function within(
  promise: Promise<unknown>,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (settled: boolean) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
      resolve(settled)
    }
    const giveUp = () => finish(false)
    const inTime = () => finish(true)
    const timer = setTimeout(giveUp, milliseconds)
    signal?.addEventListener('abort', giveUp)
    promise.then(inTime, inTime)
    if (signal?.aborted) giveUp()
  })
}

/** Resolves after `milliseconds`, or at once when `signal` aborts. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await within(new Promise(() => {}), milliseconds, signal)
}

/** Resolves after `milliseconds`, or at once when `signal` aborts. Never rejects. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    if (signal?.aborted) done()
    else signal?.addEventListener('abort', done)
  })
}

/**
 * Waits for `promise`, but not longer than `milliseconds` and not after `signal` aborts.
 * @returns whether it was kept in time; its rejection counts as kept
 */
export async function within(
  promise: Promise<unknown>,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const enough = new AbortController()
  const limit = signal ? AbortSignal.any([signal, enough.signal]) : enough.signal
  const kept = promise.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([kept, pause(milliseconds, limit).then(() => false)])
  } finally {
    enough.abort()
  }
}

/** What {@link within} gives up with. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime'
}

/**
 * The outcome of `begun`, if there is one in time. What was begun is not ended: on Workers it ends with the request that it
 * belongs to, and an AbortController for every request costs more than the timer.
 * @throws {OutOfTime} after so many milliseconds
 */
export async function within<Result>(milliseconds: number, begun: Promise<Result>): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const end = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new OutOfTime(`no answer within ${milliseconds / 1000} s`)), milliseconds)
  })
  try {
    return await Promise.race([begun, end])
  } finally {
    if (timer !== undefined) clearTimeout(timer)
  }
}

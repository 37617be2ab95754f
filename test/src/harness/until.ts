import { setTimeout as wait } from 'node:timers/promises'

/** For what hangs, and not for a machine that has much else to do, in milliseconds. */
const LIMIT = 120_000

/** Fails, naming what was awaited, when that takes longer than `limit` ms. */
export async function within<T>(what: string, awaited: Promise<T>, limit: number): Promise<T> {
  const over = new AbortController()
  const late = async () => {
    await wait(limit, undefined, { signal: over.signal })
    throw new Error(`${what}: not within ${limit} ms`)
  }
  try {
    return await Promise.race([awaited, late()])
  } finally {
    over.abort()
  }
}

/** Asks again until `probe` returns something other than undefined; fails, naming what was awaited, after `limit` ms. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  limit = LIMIT,
): Promise<T> {
  const deadline = performance.now() + limit
  for (;;) {
    const found = await probe()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limit} ms`)
    await wait(20)
  }
}

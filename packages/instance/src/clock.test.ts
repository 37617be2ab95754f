import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { define, laboratory, nameOf } from './fixtures/laboratory.ts'
import type { LogEvent } from './log-event.ts'

const HOUR = 3_600_000
const LIMIT = 1_200
/** What a busy machine may add, in milliseconds: far less than the clock does. */
const BUSY = 60_000

/** Milliseconds until it has come to anything. */
async function duration(begun: Promise<unknown>): Promise<number> {
  const began = performance.now()
  await begun.catch(() => {})
  return performance.now() - began
}

it.each([HOUR, -HOUR])(
  'every wait takes its time, and no other, when the clock jumps by %i ms in the middle of it',
  async (jump) => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    onTestFinished(() => void vi.useRealTimers())
    const moments: { event: string; instance: unknown; at: number }[] = []
    const log = ({ event, instance }: LogEvent) =>
      void moments.push({ event, instance, at: performance.now() })
    const limits = { start: 60_000, drain: 60_000, stop: 60_000, hold: 60_000 }
    const { ask, supervisor } = await laboratory(
      [
        define('start', 'never-listens', { limits: { ...limits, start: LIMIT } }),
        define('hold', 'never-listens', { limits: { ...limits, hold: LIMIT } }),
        define('drain', 'serves', { limits: { ...limits, drain: LIMIT } }),
        define('stop', 'ignores-sigterm', { limits: { ...limits, stop: LIMIT } }),
        define('probe', 'serves', { limits, health: '/', probe: 400 }),
        define('back-off', 'exits-at-once', { limits }),
      ],
      { log },
    )
    const momentOf = (event: string, instance: string, nth = 0) =>
      moments.filter((moment) => moment.event === event && moment.instance === instance)[nth]?.at
    const under = await supervisor.claim(nameOf('drain'), {
      signal: new AbortController().signal,
      navigation: false,
    })
    await supervisor.start(nameOf('stop'))
    await ask('probe', '/go-deaf')

    const drain = duration(once(under.ended, 'abort'))
    const stopping = supervisor.stop(nameOf('drain'))
    const waits = {
      drain,
      start: duration(ask('start')),
      hold: duration(ask('hold')),
      stop: duration(supervisor.stop(nameOf('stop'))),
    }
    await ask('back-off').catch(() => {})
    await wait(200)
    vi.setSystemTime(Date.now() + jump)

    for (const [name, took] of Object.entries(waits)) {
      expect([name, (await took) >= LIMIT - 5]).toEqual([name, true])
      expect([name, (await took) < LIMIT + BUSY]).toEqual([name, true])
    }
    under.release()
    await stopping
    await expect.poll(() => momentOf('hung', 'probe')).toBeDefined()
    // An interval, and three times the part of it that an answer may take.
    expect(momentOf('hung', 'probe')! - momentOf('ready', 'probe')!).toBeGreaterThan(400 + 3 * 240 - 10)
    await expect.poll(() => momentOf('started', 'back-off', 2)).toBeDefined()
    const first = momentOf('started', 'back-off', 1)! - momentOf('started', 'back-off')!
    const second = momentOf('started', 'back-off', 2)! - momentOf('started', 'back-off', 1)!
    // Half a second, then one; less a fifth each.
    expect([first > 395, second > 795]).toEqual([true, true])
  },
)

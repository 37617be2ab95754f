import { describe, expect, it } from 'vitest'
import { afterFailure, type Failures, NO_FAILURES, verdict } from './back-off.ts'

const failed = (count: number, worked = true): Failures => ({ count, worked })

describe('back-off', () => {
  it.each([
    [1, 500],
    [2, 1_000],
    [3, 2_000],
    [7, 32_000],
    [8, 60_000],
    [10_000, 60_000],
  ])('waits after %i failures in a row about %i ms', (count, delay) => {
    expect(verdict(failed(count), 0.5).delay).toBe(delay)
  })

  it('varies a delay by a fifth either way', () => {
    expect(verdict(failed(2), 0).delay).toBe(800)
    expect(verdict(failed(2), 1).delay).toBe(1_200)
  })

  it.each([0, 1])('allows at most ten starts in the first minute, whatever the jitter (%i)', (random) => {
    let starts = 1
    let failures = NO_FAILURES
    for (let at = 0; at < 60_000; starts++) {
      failures = afterFailure(failures, null)
      at += verdict(failures, random).delay
    }
    expect(starts).toBeLessThanOrEqual(10)
  })

  it('holds requests while something that worked is tried again, and refuses them from the fourth failure on', () => {
    expect([1, 2, 3, 4, 5].map((count) => verdict(failed(count), 0.5).hold)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
  })

  it('refuses them at once for something that has never worked', () => {
    expect(verdict(failed(1, false), 0.5).hold).toBe(false)
  })

  it('forgets earlier failures after ten minutes of being ready, and not before', () => {
    expect(afterFailure(failed(5), 600_000).count).toBe(1)
    expect(afterFailure(failed(5), 599_999).count).toBe(6)
    expect(afterFailure(failed(5), null).count).toBe(6)
  })

  it('remembers that it worked once, however its next starts fail', () => {
    const crashed = afterFailure(NO_FAILURES, 10)
    expect(afterFailure(crashed, null)).toEqual({ count: 2, worked: true })
    expect(afterFailure(NO_FAILURES, null)).toEqual({ count: 1, worked: false })
  })
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { OutOfTime, within } from './time-limit.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const LIMIT = 5_000

test('what comes in time is what comes, and no timer is left', async () => {
  await expect(within(LIMIT, Promise.resolve('answer'))).resolves.toBe('answer')
  await expect(within(LIMIT, Promise.reject(new RangeError('no')))).rejects.toThrow(RangeError)
  expect(vi.getTimerCount()).toBe(0)
})

test('what does not come in time is waited for no longer', async () => {
  const waited = within(LIMIT, new Promise(() => {}))
  const outcome = expect(waited).rejects.toThrow(new OutOfTime('no answer within 5 s'))
  await vi.advanceTimersByTimeAsync(LIMIT - 1)
  expect(vi.getTimerCount()).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  await outcome
})

test('what fails after the end fails quietly', async () => {
  let fail!: (error: Error) => void
  const waited = within(
    LIMIT,
    new Promise((_resolve, reject) => {
      fail = reject
    }),
  )
  const outcome = expect(waited).rejects.toThrow(OutOfTime)
  await vi.advanceTimersByTimeAsync(LIMIT)
  await outcome
  // An unhandled rejection would end the test run.
  fail(new Error('too late'))
  await vi.advanceTimersByTimeAsync(1)
})

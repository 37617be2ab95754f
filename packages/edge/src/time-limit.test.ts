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
  const outcome = within(LIMIT, new Promise(() => {})).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(LIMIT - 1)
  expect(vi.getTimerCount()).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(await outcome).toEqual(new OutOfTime('no answer within 5 s'))
})

test('what fails after the end fails quietly', async () => {
  let fail!: (error: Error) => void
  const waited = within(
    LIMIT,
    new Promise((_resolve, reject) => {
      fail = reject
    }),
  )
  const outcome = waited.catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(LIMIT)
  expect(await outcome).toBeInstanceOf(OutOfTime)
  // An unhandled rejection would end the test run.
  fail(new Error('too late'))
  await vi.advanceTimersByTimeAsync(1)
})

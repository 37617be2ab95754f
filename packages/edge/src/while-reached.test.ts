import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { OutOfTime } from './time-limit.ts'
import { FIRST_LOOK, NEXT_LOOK, SILENCE, whileReached } from './while-reached.ts'

const LIMIT = 200_000
const NEVER = new Promise<never>(() => {})

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const after = <Value>(milliseconds: number, value: Value) =>
  new Promise<Value>((resolve) => setTimeout(() => resolve(value), milliseconds))

/** What it comes to, and after how many milliseconds. */
async function outcome(
  asked: Promise<string>,
  connect: () => Promise<unknown>,
): Promise<[result: unknown, took: number]> {
  const began = Date.now()
  const outcomes: [unknown, number][] = []
  void whileReached(asked, LIMIT, connect)
    .catch((error: unknown) => error)
    .then((result) => outcomes.push([result, Date.now() - began]))
  // Longer than anything here takes; what is left of timers then is seen.
  await vi.advanceTimersByTimeAsync(2 * LIMIT)
  return outcomes[0]!
}

describe('a host', () => {
  test('that answers soon is not looked after', async () => {
    const connect = vi.fn<() => Promise<unknown>>(() => NEVER)
    expect(await outcome(after(FIRST_LOOK - 1, 'answer'), connect)).toEqual(['answer', FIRST_LOOK - 1])
    expect(connect).not.toHaveBeenCalled()
  })

  test('that says nothing to a connection either is given up within ten seconds', async () => {
    const [error, took] = await outcome(NEVER, () => NEVER)
    expect(error).toBeInstanceOf(OutOfTime)
    expect(took).toBe(FIRST_LOOK + SILENCE)
    expect(took).toBeLessThan(10_000)
  })

  test('that says nothing any more in the middle of a long wait is given up, too', async () => {
    let looks = 0
    const connect = () => (++looks < 3 ? Promise.resolve() : NEVER)
    const [error, took] = await outcome(NEVER, connect)
    expect(error).toBeInstanceOf(OutOfTime)
    expect(took).toBe(FIRST_LOOK + 2 * NEXT_LOOK + SILENCE)
  })

  test.each([
    ['is connected', () => Promise.resolve()],
    ['is connected late', () => after(SILENCE - 1, undefined)],
    ['refuses connections', () => Promise.reject(new Error('refused'))],
  ])('that %s may take its time to answer, up to the limit', async (_, connect) => {
    const answer = vi.fn<() => Promise<unknown>>(connect)
    expect((await outcome(after(LIMIT - 5_000, 'answer'), answer))[0]).toBe('answer')
    expect(answer.mock.calls.length).toBeGreaterThanOrEqual(3)
    const [error] = await outcome(NEVER, connect)
    expect(error).toEqual(new OutOfTime(`no answer within ${LIMIT / 1000} s`))
  })

  test('whose answer comes while a connection is awaited has answered', async () => {
    expect(await outcome(after(FIRST_LOOK + 1_000, 'answer'), () => NEVER)).toEqual(['answer', 4_000])
    const broken = after(FIRST_LOOK + 1_000, '').then(() => Promise.reject(new RangeError('broken')))
    expect((await outcome(broken, () => NEVER))[0]).toBeInstanceOf(RangeError)
  })
})

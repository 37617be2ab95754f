import { Problem } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import { HashQueue } from './hash-queue.ts'

/** Jobs that end when they are told to, and how many of them run. */
function manualJobs() {
  const ends: (() => void)[] = []
  const started: string[] = []
  const job = (name: string) => () => {
    started.push(name)
    return new Promise<string>((resolve) => ends.push(() => resolve(name)))
  }
  const endNext = async () => {
    ends.shift()!()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { job, started, endNext }
}

describe('the queue for hashing', () => {
  it('runs a few at once and the others in order of arrival', async () => {
    const queue = new HashQueue({ atOnce: 2, waiting: 10, retryAfter: 5 })
    const { job, started, endNext } = manualJobs()
    const results = ['a', 'b', 'c', 'd'].map((name) => queue.run(job(name)))
    expect(started).toEqual(['a', 'b'])
    await endNext()
    expect(started).toEqual(['a', 'b', 'c'])
    await endNext()
    await endNext()
    await endNext()
    expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('sends away who finds it full, and says when to come back', async () => {
    const queue = new HashQueue({ atOnce: 1, waiting: 1, retryAfter: 5 })
    const { job, started, endNext } = manualJobs()
    const results = [queue.run(job('a')), queue.run(job('b'))]
    const refused = queue.run(job('c'))
    await expect(refused).rejects.toBeInstanceOf(Problem)
    await expect(refused).rejects.toMatchObject({ code: 'rate_limited', retryAfter: 5 })
    await endNext()
    await endNext()
    await Promise.all(results)
    expect(started).toEqual(['a', 'b'])
  })

  it('goes on after a job that failed', async () => {
    const queue = new HashQueue({ atOnce: 1, waiting: 5, retryAfter: 5 })
    const failure = new Error('no memory')
    const failed = queue.run(() => Promise.reject(failure))
    const next = queue.run(async () => 'next')
    await expect(failed).rejects.toBe(failure)
    expect(await next).toBe('next')
    expect(await queue.run(async () => 'later')).toBe('later')
  })
})

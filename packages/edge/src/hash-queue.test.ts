import { setTimeout as wait } from 'node:timers/promises'
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

/** One by which nobody has to wait for too long. */
const PATIENT = { patience: Infinity, usual: 0 }

describe('the queue for hashing', () => {
  it('runs a few at once and the others in order of arrival', async () => {
    const queue = new HashQueue({ atOnce: 2, waiting: 10, ...PATIENT })
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
    const queue = new HashQueue({ atOnce: 1, waiting: 1, patience: Infinity, usual: 2_100 })
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

  it('sends away who would have to wait for too long, going by what the latest have taken', async () => {
    const queue = new HashQueue({ atOnce: 2, waiting: 1_000, patience: 10_000, usual: 1_000 })
    const { job, started, endNext } = manualJobs()
    const results = Array.from({ length: 21 }, (_, at) => queue.run(job(String(at))))
    // Nineteen wait behind the two that run: the next one's turn is in ten seconds, the one's after that in half a second more.
    results.push(queue.run(job('21')))
    await expect(queue.run(job('22'))).rejects.toMatchObject({ code: 'rate_limited', retryAfter: 11 })
    for (const _job of results) await endNext()
    expect(await Promise.all(results)).toEqual(started)
    expect(started).toHaveLength(22)
  })

  it('learns how long a job takes, and lets fewer of them wait when they take longer', async () => {
    const queue = new HashQueue({ atOnce: 1, waiting: 1_000, patience: 50, usual: 1 })
    const admitted = async () => {
      const flood = Array.from({ length: 1_000 }, () => queue.run(async () => {}))
      return (await Promise.allSettled(flood)).filter(({ status }) => status === 'fulfilled').length
    }
    expect(await admitted()).toBe(51)
    for (let at = 0; at < 5; at += 1) await queue.run(() => wait(100))
    expect(await admitted()).toBeLessThan(10)
  })

  it('does not run what nobody waits for any more, and gives its place to somebody else', async () => {
    const queue = new HashQueue({ atOnce: 1, waiting: 2, ...PATIENT })
    const { job, started, endNext } = manualJobs()
    const gone = new Set<string>()
    const run = (name: string) => queue.run(job(name), () => !gone.has(name))
    const [a, b, c] = [run('a'), run('b'), run('c')]
    b.catch(() => {})
    c.catch(() => {})
    await expect(run('d')).rejects.toMatchObject({ code: 'rate_limited' })
    gone.add('b')
    const e = run('e')
    await expect(b).rejects.toMatchObject({ code: 'rate_limited' })
    gone.add('c')
    await endNext()
    await expect(c).rejects.toMatchObject({ code: 'rate_limited' })
    await endNext()
    expect(await Promise.all([a, e])).toEqual(['a', 'e'])
    expect(started).toEqual(['a', 'e'])
    expect(await queue.run(async () => 'later')).toBe('later')
  })

  it('goes on after a job that failed', async () => {
    const queue = new HashQueue({ atOnce: 1, waiting: 5, ...PATIENT })
    const failure = new Error('no memory')
    const failed = queue.run(() => Promise.reject(failure))
    const next = queue.run(async () => 'next')
    await expect(failed).rejects.toBe(failure)
    expect(await next).toBe('next')
    expect(await queue.run(async () => 'later')).toBe('later')
  })
})

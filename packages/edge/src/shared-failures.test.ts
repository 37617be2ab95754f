import { expect, test } from 'vitest'
import { createFailureCounter, type FailureKind } from './failures.ts'
import type { LogEvent } from './log-event.ts'
import { createSharedFailureCounter, type RateLimit } from './shared-failures.ts'

/** The rate limits of a location, as the platform keeps them for all isolates there. */
function location(most: Record<FailureKind, number>) {
  const counts = new Map<string, number>()
  const limit = (kind: FailureKind): RateLimit => ({
    limit: async ({ key }) => {
      const count = (counts.get(`${kind} ${key}`) ?? 0) + 1
      counts.set(`${kind} ${key}`, count)
      return { success: count <= most[kind] }
    },
  })
  return { pair: limit('pair'), network: limit('network'), user: limit('user') }
}

const log: LogEvent[] = []
const isolate = (limits: Record<FailureKind, RateLimit>) =>
  createSharedFailureCounter({
    local: createFailureCounter({ now: () => 1_795_000_000_000 }),
    limits,
    log: (event) => log.push(event),
  })

test('failures in one isolate make the next one in another the last', async () => {
  const limits = location({ pair: 10, network: 100, user: 50 })
  const [one, two] = [isolate(limits), isolate(limits)]
  for (let i = 0; i < 10; i += 1) await one.failed('brian', '192.0.2.1')
  expect(one.check('brian', '192.0.2.1')).toBe(60)
  expect(two.check('brian', '192.0.2.1')).toBeUndefined()
  await two.failed('brian', '192.0.2.1')
  expect(two.check('brian', '192.0.2.1')).toBe(60)
  expect(two.check('brian', '192.0.2.2')).toBeUndefined()
  expect(two.check('graham', '192.0.2.1')).toBeUndefined()
})

test('right passwords use up nothing of what is shared', async () => {
  const limits = location({ pair: 1, network: 1, user: 1 })
  const one = isolate(limits)
  for (let i = 0; i < 50; i += 1) one.succeeded('brian', '192.0.2.1')
  await one.failed('brian', '192.0.2.1')
  expect(one.check('brian', '192.0.2.1')).toBeUndefined()
})

test('a platform that does not count leaves what the isolate has counted, and says so', async () => {
  const broken: RateLimit = { limit: () => Promise.reject(new Error('overloaded')) }
  const one = isolate({ pair: broken, network: broken, user: broken })
  for (let i = 0; i < 10; i += 1) await one.failed('brian', '192.0.2.1')
  expect(one.check('brian', '192.0.2.1')).toBe(60)
  expect(log).toHaveLength(10)
  expect(log[0]).toMatchObject({ event: 'failure_not_shared' })
})

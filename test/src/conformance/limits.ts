import { expect, it } from 'vitest'
import { ask, open } from '../harness/client.ts'
import { type Layout, MOST_REQUESTS } from '../harness/layout.ts'
import { until } from '../harness/until.ts'

const KB = 1000
/** Where the platform of the Worker refuses all headers together, and the address among them, before it asks the Worker, in kB. */
const PLATFORM = 64

/** What is too much is refused by mux, in its words, and in no case by an exchange that breaks on the way. */
export function limits(layout: () => Layout): void {
  it('answers 429 too_many_requests to a user who has too many requests under way, and nobody else', async () => {
    const { url } = layout()
    const under = await Promise.all(
      Array.from({ length: MOST_REQUESTS }, () => open(url, '/linger', { user: 'graham' })),
    )
    expect(under.map(({ statusCode }) => statusCode)).toEqual(Array(MOST_REQUESTS).fill(200))
    const answer = await ask(url, '/', { user: 'graham' })
    expect([answer.status, answer.json().code]).toEqual([429, 'too_many_requests'])
    expect(answer.headers['retry-after']).toBe('1')
    expect((await ask(url, '/', { user: 'brian' })).status).toBe(200)
    // Not an end, which could be that of one side: workerd then goes on until it can write no more.
    for (const { socket } of under) socket.resetAndDestroy()
    await until('a place', async () =>
      (await ask(url, '/', { user: 'graham' })).status === 200 ? true : undefined,
    )
  })

  it.each([
    [9, [200]],
    // Where the address alone is more than all headers may be, it does not come to be read as one.
    [17, [414]],
    [70, [414, 431]],
  ])('takes an address of %i kB, or says that it is too long', async (size, statuses) => {
    const { url, edge } = layout()
    const answer = await ask(url, `/${'a'.repeat(size * KB)}`, { user: 'brian' })
    expect(statuses).toContain(answer.status)
    if (answer.status !== 200 && (edge !== 'Worker' || size < PLATFORM))
      expect(['target_too_long', 'headers_too_large']).toContain(answer.json().code)
  })

  it.each([7, 15, 17, 60, 120])('takes a cookie of %i kB, or says that it is too large', async (size) => {
    const headers = { cookie: `a=${'x'.repeat(size * KB)}` }
    const answer = await ask(layout().url, '/', { user: 'brian', headers })
    // The instance itself takes 16 KiB of headers.
    if (size < 16) expect(answer.json().headers).toContain(headers.cookie)
    else expect(answer.status).toBe(431)
    if (size > 64) expect(answer.json().code).toBe('headers_too_large')
  })

  it('answers 431 to a hundred headers of 8 kB', async () => {
    const { url, edge } = layout()
    const headers = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x-${n}`, 'x'.repeat(8 * KB)]))
    const answer = await ask(url, '/', { user: 'brian', headers })
    expect(answer.status).toBe(431)
    if (edge !== 'Worker') expect(answer.json().code).toBe('headers_too_large')
  })
}

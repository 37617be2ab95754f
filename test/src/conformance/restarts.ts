import { expect, it } from 'vitest'
import { ask, valuesOf } from '../harness/client.ts'
import { type Layout, ledgerLines } from '../harness/layout.ts'

const RESTARTS = 3
const IN_FLIGHT = 16
const INSTANCES = { graham: 'django1', brian: 'django2', malcolm: 'django3' }

/** What load.test.ts does in full at the embedded edge, in small: nothing on the way to an instance loses a request either. */
export function restarts(layout: () => Layout): void {
  it('loses no request, and has none carried out twice, while instances are restarted by overlap and by replace', async () => {
    const { url, project } = layout()
    const over = new AbortController()
    const users = Object.keys(INSTANCES) as (keyof typeof INSTANCES)[]
    const targets: string[] = []
    const pids = new Set<number>()
    const one = async (n: number) => {
      const user = users[n % users.length]!
      const target = `/restarts/${n}`
      targets.push(target)
      const { status, body, json } = await ask(url, target, { user, method: 'POST', body: target })
      expect(status, body).toBe(200)
      const echo = json()
      expect({ ...echo, headers: valuesOf(echo.headers, 'mux-user') }).toMatchObject({
        instance: INSTANCES[user],
        headers: [user],
        target,
        body: target,
      })
      pids.add(echo.pid)
    }
    const workers = Array.from({ length: IN_FLIGHT }, async () => {
      while (!over.signal.aborted) await one(targets.length)
    })
    for (let n = 0; n < RESTARTS; n++) {
      await layout().must(['instance', 'restart', 'django2'])
      await layout().must(['instance', 'restart', 'django3'])
    }
    over.abort()
    await Promise.all(workers)
    const begun = (await ledgerLines(project)).flatMap(
      (line) => / POST (\/restarts\/\d+)$/.exec(line)?.[1] ?? [],
    )
    expect(begun.toSorted()).toEqual(targets.toSorted())
    expect(pids.size).toBeGreaterThan(2 * RESTARTS)
  })
}

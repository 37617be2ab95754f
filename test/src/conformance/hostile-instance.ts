import { expect, it } from 'vitest'
import { setTimeout as wait } from 'node:timers/promises'
import { ask, open } from '../harness/client.ts'
import type { Layout } from '../harness/layout.ts'

const ROUNDS = 20
const AT_ONCE = 8

/** An instance may say what it likes, but not to somebody who has not asked for it. */
export function hostileInstance(layout: () => Layout): void {
  let marks = 0
  /** Asks for what nobody else asks for; resolves to what came, and what it should be. */
  async function ownOf(user: string, query = ''): Promise<[body: string, mark: string]> {
    const mark = `${user}-${++marks}`
    const answer = await ask(layout().url, `/mark/${mark}${query}`, { user })
    expect(answer.status).toBe(200)
    return [answer.body, mark]
  }

  it.each([
    ['too-short', [200]],
    ['too-long', [200]],
    ['length-and-chunks', [502]],
    ['two-lengths', [502]],
    ['odd-chunk', [200, 502]],
    ['body-of-204', [204]],
    ['body-of-304', [304]],
    ['behind-204', [204]],
    ['odd-status', [502]],
    ['reason-in-utf8', [200]],
    // The platform of the Worker makes no answer of this one.
    ['status-999', [999, 502]],
    ['nul', [502]],
    ['switches', [502]],
    ['many-103', [200]],
  ])('says nothing to the next user by an answer that is odd: %s', async (name, statuses) => {
    for (let round = 0; round < 3; round++) {
      const response = await open(layout().url, `/odd/${name}`, { user: 'zoot' })
      expect(statuses).toContain(response.statusCode)
      let said = ''
      const isWhole = await (async () => {
        for await (const chunk of response) said += String(chunk)
      })().then(
        () => true,
        () => false,
      )
      expect(said).not.toContain('PLANTED')
      // What breaks off is seen to.
      if (response.statusCode === 200) expect(isWhole).toBe(!['too-short', 'odd-chunk'].includes(name))
      const [body, mark] = await ownOf('dingo')
      expect(body).toBe(mark)
    }
  })

  it.each([0, 5, 50])('says nothing to the next user %i ms behind an answer, unasked', async (late) => {
    const visit = async (user: string) => {
      for (let round = 0; round < ROUNDS; round++) {
        // What an instance says too much to one user may come to the same one with the next answer.
        expect((await ownOf(user, `?${late}`))[0]).toMatch(new RegExp(`^(?:late )?${user}-`))
        // Now and then long enough for it to find the connection idle.
        if (round % 4 === 0) await wait(late + 2)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => visit(n % 2 === 0 ? 'zoot' : 'dingo')))
  })
}

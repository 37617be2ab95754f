import { expect, it } from 'vitest'
import { ask, valuesOf } from '../harness/client.ts'
import { type Layout, ledgerLines } from '../harness/layout.ts'
import { basic } from '../harness/project.ts'
import { sayAndEnd, successesIn } from '../harness/raw.ts'
import { expectNothingSmuggled } from '../harness/smuggle.ts'
import { MALFORMED_BODIES, MALFORMED_HEADS, malformedBytes } from '../malformed.ts'

/** What has to hold wherever requests are parsed, by whatever program: one request is one, with a credential, or none. */
export function framing(layout: () => Layout): void {
  const proof = () => `Authorization: ${basic('brian')}\r\n`

  it('passes what is malformed as one clear request, or not at all, and never what comes behind it without a credential', async () => {
    const { url, project } = layout()
    const shapes = Object.entries({ ...MALFORMED_HEADS, ...MALFORMED_BODIES })
    const target = (at: number) => `/malformed/${at}`
    const behind = 'GET /behind HTTP/1.1\r\nHost: notes.example\r\n\r\n'
    await Promise.all(
      shapes.map(async ([title, malformed], at) => {
        const bytes = malformedBytes(malformed, target(at), proof) + behind
        const received = await sayAndEnd(url, Buffer.from(bytes, 'latin1'))
        expect(successesIn(received), title).toBeLessThanOrEqual(1)
        expect(received, title).not.toContain('"code":"internal"')
      }),
    )
    const seen = (await ledgerLines(project)).filter((line) =>
      /^request .*(?:\/malformed\/|\/behind)/.test(line),
    )
    const whole = shapes.map((_, at) => target(at))
    for (const line of seen) {
      const [, instance, , asked] = line.split(' ')
      expect(instance, line).toBe('django2')
      expect(whole, line).toContain(asked)
    }
    expect(new Set(seen).size).toBe(seen.length)
  })

  it('lets no request be taken for two, and every user have their own answer meanwhile', async () => {
    const { url, project } = layout()
    let turn = 0
    const victim = async (target: string) => {
      // Of the same instance, whose connections they share, and of another one.
      const user = turn++ % 2 === 0 ? 'graham' : 'brian'
      const answer = await ask(url, target, { user, method: 'POST', body: target })
      expect(answer.status, answer.body).toBe(200)
      const { headers, ...echo } = answer.json()
      expect(echo).toMatchObject({ target, body: target, method: 'POST' })
      expect(valuesOf(headers, 'mux-user')).toEqual([user])
    }
    await expectNothingSmuggled({ url, project, proof, victim })
  })
}

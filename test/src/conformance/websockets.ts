import { expect, it } from 'vitest'
import { ask } from '../harness/client.ts'
import type { Layout } from '../harness/layout.ts'
import { basic } from '../harness/project.ts'
import { CASES } from '../websocket/cases.ts'
import { compression } from '../websocket/compression.ts'
import { talk } from '../websocket/talk.ts'

const AT_ONCE = 12

/**
 * What a WebSocket is for a client frame by frame: the same through mux as at the socket of its instance, whether it keeps
 * the rules or breaks them.
 */
export function websockets(layout: () => Layout): void {
  it.each(Object.entries({ ...CASES, compression: compression() }))(
    'passes %s of a WebSocket as if there were nothing in between',
    async (_, cases) => {
      const { url, edge } = layout()
      const path = (await ask(url, '/address', { user: 'terry' })).body
      const { hostname: host, port } = new URL(url)
      const credentials = [`Authorization: ${basic('terry')}`]
      const differences: unknown[] = []
      const waiting = [...cases]
      const work = async () => {
        for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
          const { title, closed, closedByPlatform } = one
          const [direct, through] = await Promise.all([
            talk({ path }, [], one),
            talk({ host, port: Number(port) }, credentials, one),
          ])
          expect(direct.closed, title).toBe(closed)
          if (edge === 'Worker' && closedByPlatform !== undefined)
            expect(through.closed, title).toBe(closedByPlatform)
          else if (through.transcript.join() !== direct.transcript.join())
            differences.push({ title, direct: direct.transcript, through: through.transcript })
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      expect(differences).toEqual([])
    },
  )
}

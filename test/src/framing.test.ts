import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Door, embeddedDoor, gatewayDoor } from './harness/door.ts'
import { ledgerLines } from './harness/layout.ts'
import { exchangeRaw, statusesIn } from './harness/raw.ts'
import { expectNothingSmuggled } from './harness/smuggle.ts'
import { until } from './harness/until.ts'
import { MALFORMED_BODIES, MALFORMED_HEADS, type Malformed, malformedBytes } from './malformed.ts'

/** What the client hopes to be taken for another request of its own, or of whoever comes next on the connection. */
const smuggled = (target: string): string => `/smuggled${target}`

describe.each([
  ['the edge of mux up', embeddedDoor],
  ['the gateway of a host', gatewayDoor],
])('%s', (_, start) => {
  let door: Door
  beforeAll(async () => {
    door = await start()
    expect(statusesIn(await exchangeRaw(door.url, healthy('/healthy')))).toEqual([200])
  })
  afterAll(() => door?.close())

  const healthy = (target: string): string =>
    `GET ${target} HTTP/1.1\r\nHost: notes.example\r\n${door.proof('GET', target)}Connection: close\r\n\r\n`

  /** Sends it with a request behind it, and resolves to what came back until the connection was closed. */
  async function attack(malformed: Malformed, target: string): Promise<string> {
    const bytes = malformedBytes(malformed, target, door.proof) + healthy(smuggled(target))
    return exchangeRaw(door.url, Buffer.from(bytes, 'latin1'))
  }

  it.each(Object.entries(MALFORMED_HEADS))(
    'refuses %s, and what comes behind it, also of what mux answers itself',
    async (title, malformed) => {
      for (const path of ['/head', '/_mux/session']) {
        const received = await attack(malformed, `${path}?${encodeURIComponent(title)}`)
        expect(statusesIn(received), path).toHaveLength(1)
        expect([400, 403], path).toContain(statusesIn(received)[0])
        expect(received, path).toMatch(/^connection: close\r$/im)
        expect(received, path).toMatch(/"code":"(?:bad_request|assertion_invalid)"/)
      }
    },
  )

  it.each(Object.entries(MALFORMED_BODIES))(
    'refuses %s, and what comes behind it',
    async (title, malformed) => {
      const received = await attack(malformed, `/body?${encodeURIComponent(title)}`)
      expect(statusesIn(received)).toEqual([400])
      expect(received).toContain('"code":"bad_request"')
    },
  )

  it('has let no instance see any of it, and serves on', async () => {
    expect(statusesIn(await exchangeRaw(door.url, healthy('/after')))).toEqual([200])
    const seen = (await ledgerLines(door.project)).filter((line) => line.startsWith('request'))
    expect(seen.filter((line) => !line.includes('POST /body?'))).toEqual([
      'request django1 GET /healthy',
      'request django1 GET /after',
    ])
  })

  it.each([
    ['an empty line before the request', (text: string) => `\r\n${text}`],
    ['a chunk with an extension', undefined],
  ])('takes %s, which can be read in one way', async (_, distort) => {
    const plain: Malformed = { line: 'POST {target} HTTP/1.1', headers: ['Content-Length: 1'], body: 'a' }
    const chunked: Malformed = {
      line: 'POST {target} HTTP/1.1',
      headers: ['Transfer-Encoding: chunked'],
      body: '1;a="b"\r\na\r\n0\r\n\r\n',
    }
    const received = await attack(distort ? { ...plain, distort } : chunked, '/odd')
    expect(statusesIn(received)).toEqual([200, 200])
  })

  it('lets no request be taken for two, and every client have its own answer meanwhile', async () => {
    const victim = async (target: string) => {
      const received = await exchangeRaw(door.url, healthy(target))
      expect(statusesIn(received)).toEqual([200])
      expect(received).toContain(`"target":"${target}"`)
    }
    await expectNothingSmuggled({ ...door, victim })
  })

  it.skipIf(process.platform !== 'linux')(
    'has the kernel ask whether a silent client is still there',
    async () => {
      const { hostname, port } = new URL(door.url)
      const silent = connect(Number(port), hostname)
      onTestFinished(() => {
        silent.destroy()
      })
      await once(silent, 'connect')
      const timer = await until('the connection, accepted', async () => {
        const hex = (number: number) => `:${number.toString(16).toUpperCase().padStart(4, '0')}`
        const lines = (await readFile('/proc/net/tcp', 'latin1'))
          .split('\n')
          .map((line) => line.trim().split(/\s+/))
        const line = lines.find(
          ([, local, remote]) =>
            local?.endsWith(hex(Number(port))) && remote?.endsWith(hex(silent.localPort!)),
        )
        // Of a socket that waits to be accepted, no process knows yet.
        return line?.[9] === '0' ? undefined : line?.[5]
      })
      // `tr` of proc_net_tcp(5): 2 is the timer of keep-alive.
      expect(timer).toMatch(/^02:/)
    },
  )

  it('refuses headers that are too large, and what comes behind them', async () => {
    const received = await attack({ headers: [`Cookie: a=${'x'.repeat(70_000)}`] }, '/large')
    expect(statusesIn(received)).toEqual([431])
    expect(received).toContain('"code":"headers_too_large"')
  })
})

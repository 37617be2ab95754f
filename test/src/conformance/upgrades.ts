import { once } from 'node:events'
import { expect, it } from 'vitest'
import WebSocket from 'ws'
import { valuesOf } from '../harness/client.ts'
import type { Layout } from '../harness/layout.ts'
import { basic } from '../harness/project.ts'

/** WebSockets pass, with the same care for who asks. */
export function upgrades(layout: () => Layout): void {
  const socket = (path: string, headers: Record<string, string>): WebSocket =>
    new WebSocket(new URL(path, layout().url.replace(/^http/, 'ws')), { headers, handshakeTimeout: 120_000 })

  it("connects a user's WebSocket to their instance, and echoes text and binary", async () => {
    const client = socket('/ws?a=b', {
      authorization: basic('brian'),
      'mux-user': 'admin',
      mux_user: 'admin',
    })
    const [hello] = await once(client, 'message')
    const seen = JSON.parse(String(hello))
    expect(seen).toMatchObject({ instance: 'django2', target: '/ws?a=b' })
    expect(valuesOf(seen.headers, 'mux-user')).toEqual(['brian'])
    expect(seen.headers).not.toContain('admin')
    expect(valuesOf(seen.headers, 'authorization')).toEqual([])
    client.send('text')
    expect(String((await once(client, 'message'))[0])).toBe('text')
    const large = Buffer.alloc(1_000_000, 7)
    client.send(large)
    expect((await once(client, 'message'))[0]).toEqual(large)
    client.close(1000)
    expect((await once(client, 'close'))[0]).toBe(1000)
  })

  it('passes ten thousand messages in their order, a ping, and a close with its code and reason', async () => {
    const client = socket('/ws', { authorization: basic('brian') })
    await once(client, 'message')
    const received: string[] = []
    const all = new Promise<void>((resolve) => {
      client.on('message', (data: Buffer) => {
        if (received.push(data.toString()) === 10_000) resolve()
      })
    })
    for (let n = 0; n < 10_000; n++) client.send(String(n))
    await all
    expect(received).toEqual(Array.from({ length: 10_000 }, (_, n) => String(n)))
    client.ping('there?')
    expect(String((await once(client, 'pong'))[0])).toBe('there?')
    client.close(4321, 'enough')
    const [code, reason] = await once(client, 'close')
    expect([code, String(reason)]).toEqual([4321, 'enough'])
  })

  it('passes a message as large as the platform takes', async () => {
    const client = socket('/ws', { authorization: basic('brian') })
    await once(client, 'message')
    const large = Buffer.alloc((layout().edge === 'Worker' ? 31 : 64) * 1024 * 1024, 'large')
    client.send(large)
    const [echoed] = await once(client, 'message')
    expect(Buffer.compare(echoed, large)).toBe(0)
    client.terminate()
  })

  it('closes every one when the instance is killed in the middle', async () => {
    const clients = Array.from({ length: 50 }, () => socket('/ws', { authorization: basic('malcolm') }))
    const hellos = await Promise.all(clients.map((client) => once(client, 'message')))
    const signal = AbortSignal.timeout(120_000)
    const closed = clients.map((client) => once(client, 'close', { signal }))
    process.kill(JSON.parse(String(hellos[0]![0])).pid, 'SIGKILL')
    for (const [code] of await Promise.all(closed)) expect(code).toBeGreaterThanOrEqual(1001)
  })

  it('never upgrades without credentials', async () => {
    const client = socket('/ws', {})
    const [, response] = await once(client, 'unexpected-response')
    expect(response.statusCode).toBe(401)
    client.on('error', () => {})
    client.terminate()
  })

  it.each(['https://evil.example', 'null'])('never upgrades what a page of %s asks for', async (origin) => {
    const client = socket('/ws', { authorization: basic('brian'), origin })
    const [, response] = await once(client, 'unexpected-response')
    expect(response.statusCode).toBe(403)
    client.on('error', () => {})
    client.terminate()
  })

  it('upgrades what a page of the site itself asks for', async () => {
    const client = socket('/ws', { authorization: basic('brian'), origin: new URL(layout().url).origin })
    expect(JSON.parse(String((await once(client, 'message'))[0]))).toMatchObject({ instance: 'django2' })
    client.close(1000)
    await once(client, 'close')
  })

  it("lets the client see the instance's own refusal", async () => {
    const client = socket('/ws-refused', { authorization: basic('brian') })
    const [, response] = await once(client, 'unexpected-response')
    expect(response.statusCode).toBe(403)
    let body = ''
    for await (const chunk of response) body += chunk
    expect(body).toMatch(/^refused \[/)
    client.on('error', () => {})
    client.terminate()
  })
}

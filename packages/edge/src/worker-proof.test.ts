import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type BareWorker, KvShim, startBareWorker } from './fixtures/bare-workerd.ts'
import { buildWorker, COMPATIBILITY_DATE } from './fixtures/built-worker.ts'
import { basic } from './fixtures/edge-under-test.ts'
import { listen } from './fixtures/listen.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { EDGE_KEY, proofFor } from './fixtures/proof.ts'
import { userRecord } from './fixtures/user-record.ts'

const OTHER_KEY = Buffer.alloc(32, 3).toString('base64')

describe('what answers where a host is to be', () => {
  const kv = new KvShim()
  let worker: BareWorker
  let behaviour: RequestListener
  const server = createServer((incoming, outgoing) => behaviour(incoming, outgoing))
  beforeAll(async () => {
    const origin = await listen(server)
    kv.put('user:brian', userRecord(origin))
    worker = await startBareWorker({
      source: await buildWorker(),
      compatibilityDate: COMPATIBILITY_DATE,
      kv,
      texts: { EDGE_KEY, SESSION_KEY: Buffer.alloc(32, 2).toString('base64') },
    })
  })
  afterAll(async () => {
    await worker.close()
    server.close()
    server.closeAllConnections()
  })
  beforeEach(() => {
    worker.log.length = 0
  })

  const ask = () =>
    fetch(`${worker.url}/notes`, {
      redirect: 'manual',
      headers: { authorization: basic('brian', PASSWORD) },
    })
  const served = async () => {
    behaviour = (incoming, outgoing) => {
      outgoing.setHeader('Mux-Proof', proofFor(incoming)).end('of brian')
    }
    const answer = await ask()
    expect([answer.status, await answer.text()]).toEqual([200, 'of brian'])
    expect(answer.headers.has('mux-proof')).toBe(false)
  }

  test.each<[string, number, (incoming: IncomingMessage) => Record<string, string>]>([
    ['a page', 200, () => ({ 'content-type': 'text/html' })],
    ['a way to sign in elsewhere', 302, () => ({ location: 'https://stranger.example/' })],
    ['nothing to be done', 404, () => ({})],
    ['the proof of a minute before', 200, (incoming) => ({ 'mux-proof': proofFor(incoming, EDGE_KEY, -60) })],
    ['the proof of another host', 200, (incoming) => ({ 'mux-proof': proofFor(incoming, OTHER_KEY) })],
    ['a problem of an instance', 503, () => ({ 'mux-problem': 'instance_stopped', 'retry-after': '9' })],
    ['a version that is wanted', 421, () => ({ 'mux-problem': 'misdirected', 'mux-version': '999' })],
  ])('%s without a proof is 502, and nothing of it comes through', async (_what, status, headersFor) => {
    await served()
    behaviour = (incoming, outgoing) =>
      outgoing.writeHead(status, headersFor(incoming)).end('{"detail":"of a stranger"}')
    const answer = await ask()
    expect(answer.status).toBe(502)
    expect(answer.headers.get('location') ?? answer.headers.get('retry-after')).toBeNull()
    const text = await answer.text()
    expect(text).toContain('instance_unreachable')
    expect(text).not.toContain('stranger')
    await expect.poll(() => worker.log.join('\n')).toMatch(/"event":"host_unproven".*"host":"east"/)
    expect(worker.log.join('\n')).toContain(`"status":${status}`)
    await served()
  })

  test.each([
    ['assertion_invalid', 403],
    ['headers_too_large', 431],
    ['too_many_connections', 503],
  ])('what a gateway refuses before it knows for whom is its %s, in our words', async (code, status) => {
    behaviour = (_incoming, outgoing) =>
      outgoing.writeHead(status, { 'mux-problem': code }).end('{"detail":"of a stranger"}')
    const answer = await ask()
    expect(answer.status).toBe(status)
    const document: unknown = await answer.json()
    expect(document).toMatchObject({ code })
    expect(document).not.toHaveProperty('detail')
  })

  test('a WebSocket that nobody proves is none', async () => {
    let end: Promise<unknown> | undefined
    server.once('upgrade', ({ headers: { 'sec-websocket-key': key } }: IncomingMessage, socket) => {
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      // What comes is the frame that closes it.
      end = once(socket, 'data').then(() => socket.end())
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
    })
    const headers = { authorization: basic('brian', PASSWORD) }
    const socket = new WebSocket(`${worker.url.replace('http:', 'ws:')}/`, { headers })
    const outcome = new Promise<string>((resolve) => {
      socket.addEventListener('open', () => resolve('open'))
      socket.addEventListener('error', () => resolve('error'))
    })
    expect(await outcome).toBe('error')
    await expect.poll(() => worker.log.join('\n')).toMatch(/"host_unproven".*"status":101/)
    await end
  })
})

import { createServer, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type BareWorker, KvShim, startBareWorker } from './fixtures/bare-workerd.ts'
import { basic } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { listen } from './fixtures/listen.ts'
import { asGateway, EDGE_KEY } from './fixtures/proof.ts'
import { buildWorker, COMPATIBILITY_DATE } from './fixtures/built-worker.ts'
import { userRecord } from './fixtures/user-record.ts'

const SECRETS = {
  EDGE_KEY,
  SESSION_KEY: Buffer.alloc(32, 2).toString('base64'),
  HOST_ACCESS_CLIENT_ID: 'token-of-the-edge.access',
  HOST_ACCESS_CLIENT_SECRET: 'secret-of-the-edge',
}

describe('a host', () => {
  const kv = new KvShim()
  let worker: BareWorker
  let received: IncomingMessage[]
  let plain: string
  const gateway = createServer(
    asGateway((incoming, outgoing) => {
      received.push(incoming)
      incoming.on('data', () => {}).on('end', () => outgoing.end(incoming.headers['x-forwarded-host']))
    }),
  )
  beforeAll(async () => {
    plain = await listen(gateway)
    const address = new URL(plain).host
    const source = await buildWorker()
    worker = await startBareWorker({
      source,
      compatibilityDate: COMPATIBILITY_DATE,
      kv,
      texts: SECRETS,
      fetchers: { WEB1: address, GONE: '127.0.0.1:9' },
      hosts: { 'web2.example': address },
    })
    for (const [user, origin] of Object.entries({
      vpc: 'vpc:WEB1',
      gone: 'vpc:GONE',
      unbound: 'vpc:WEB9',
      odd: 'vpc:EDGE_KEY',
      kv: 'vpc:REGISTRY',
      proto: 'vpc:__proto__',
      tls: 'https://web2.example',
      plain,
      self: worker.url,
      metadata: 'http://169.254.169.254',
      disguised: 'http://2852039166',
    }))
      kv.put(`user:${user}`, userRecord(origin))
    kv.put('route:*', { v: 1, instance: 'looping', access: 'public' })
    kv.put('instance:looping', { v: 1, host: 'east', origin: worker.url, state: 'open', message: null })
  })
  afterAll(async () => {
    await worker.close()
    gateway.close()
    gateway.closeAllConnections()
  })
  beforeEach(() => {
    received = []
  })

  function ask(user: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${worker.url}/a%2Fb?c=d`, { headers: { authorization: basic(user, PASSWORD) }, ...init })
  }

  test('behind a binding is asked through it, with path, body and signature as ever', async () => {
    const answer = await ask('vpc', { method: 'POST', body: 'x' })
    expect([answer.status, await answer.text()]).toEqual([200, new URL(worker.url).host])
    expect(received[0]!.url).toBe('/a%2Fb?c=d')
    expect(received[0]!.headers['signature-input']).toContain('keyid="east"')
    expect(received[0]!.headers).not.toHaveProperty('cf-access-client-secret')
  })

  test('behind a binding is reached by a WebSocket, too', async () => {
    const upgraded = new Promise<IncomingMessage>((resolve) =>
      gateway.once('upgrade', (incoming: IncomingMessage, socket) => {
        resolve(incoming)
        socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
      }),
    )
    const url = worker.url.replace('http:', 'ws:')
    const socket = new WebSocket(url, { headers: { authorization: basic('vpc', PASSWORD) } })
    socket.addEventListener('error', () => {})
    expect((await upgraded).headers['mux-user']).toBe('vpc')
  })

  test.each(['gone', 'unbound', 'odd', 'kv', 'proto', 'metadata', 'disguised'])(
    'that nothing leads to (%s) is 502, and nothing of the reason is told',
    async (user) => {
      const answer = await ask(user)
      expect([answer.status, await answer.json()]).toMatchObject([502, { code: 'instance_unreachable' }])
      expect(received).toHaveLength(0)
      await expect.poll(() => worker.log.join('\n')).toContain('host_unreachable')
    },
  )

  test.each([
    ['of a user', { authorization: basic('self', PASSWORD) }],
    ['of the instance of a public route', {}],
  ])('that is the edge itself is 502 at once, by the record %s', async (_, headers) => {
    const answer = await ask('', { headers })
    expect([answer.status, await answer.json()]).toMatchObject([
      502,
      { code: 'instance_unreachable', request_id: answer.headers.get('x-request-id') },
    ])
    // It would be asked without end.
    const loops = () => worker.log.filter((line) => line.includes('host_is_edge'))
    await expect.poll(loops).toHaveLength(1)
    worker.log.length = 0
  })

  test('that Access stands before is shown the service token by TLS, whatever the client brings along', async () => {
    const headers = {
      authorization: basic('tls', PASSWORD),
      'CF-Access-Client-Id': 'theirs',
      'cf_access-client-secret': 'theirs',
    }
    expect((await ask('tls', { headers })).status).toBe(200)
    expect(received[0]!.headers).toMatchObject({
      'cf-access-client-id': 'token-of-the-edge.access',
      'cf-access-client-secret': 'secret-of-the-edge',
    })
    expect(received[0]!.headers).not.toHaveProperty('cf_access-client-secret')
  })

  test('in plain HTTP is not shown it, and no log has it', async () => {
    expect((await ask('plain')).status).toBe(200)
    expect(received[0]!.headers).not.toHaveProperty('cf-access-client-secret')
    expect(worker.log.join('\n')).not.toContain('secret-of-the-edge')
  })
})

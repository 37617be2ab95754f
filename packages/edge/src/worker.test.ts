import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import {
  assertionComponents,
  HOST_KEY_INFO,
  type InstanceRecord,
  parseInstanceName,
  parseSignature,
  parseUserName,
  signatureBase,
  splitTarget,
  type UserRecord,
} from '@mux/contract'
import { afterAll, beforeAll, beforeEach, describe, expect, test, onTestFinished } from 'vitest'
import { basic } from './fixtures/edge-under-test.ts'
import { PASSWORD, PASSWORD_HASH } from './fixtures/memory-registry.ts'
import { browse } from './fixtures/raw-client.ts'
import { silentPort } from './fixtures/silent-port.ts'
import { buildWorker, COMPATIBILITY_DATE } from './fixtures/built-worker.ts'
import { listen } from './fixtures/listen.ts'
import { asGateway, proofFor } from './fixtures/proof.ts'
import { startWorker, type WorkerUnderTest } from './fixtures/worker-under-test.ts'
import { FIRST_LOOK, SILENCE } from './while-reached.ts'

const EDGE_KEY = Buffer.alloc(32, 1)
const SECRETS = { EDGE_KEY: EDGE_KEY.toString('base64'), SESSION_KEY: Buffer.alloc(32, 2).toString('base64') }
const GRAHAM = { authorization: basic('graham', PASSWORD) }

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

/** A certificate for this machine that nobody has signed but itself, and its key. */
function selfSigned(): { cert: string; key: string } {
  const directory = mkdtempSync(join(tmpdir(), 'mux-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1'
  const files = '-addext subjectAltName=IP:127.0.0.1 -keyout key -out cert'
  execFileSync('openssl', `${request} ${files}`.split(' '), { cwd: directory, stdio: 'ignore' })
  const read = (name: string) => readFileSync(join(directory, name), 'utf8')
  return { cert: read('cert'), key: read('key') }
}

const USER = {
  v: 1,
  instance: 'django1',
  target: null,
  password: PASSWORD_HASH,
  disabled: false,
  version: 7,
  changed: '2026-11-22T10:00:00.000Z',
}

/** Each the hash of `correct horse battery`, by the name of a user who has it. */
const FROM_HTPASSWD = {
  bcrypt: '$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.',
  apr1: '$apr1$sa./9Zlt$T1lHcGqgTj6Uf5b7CkuLJ1',
  sha: '{SHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U=',
  'sha-crypt':
    '$6$sa./9Zlt$Zehbp.lB4vMjyEvf3WiXCJA4bFnEzXZpxRgGtmX8fjTzgBohSF2IAwUY3je75GfUDFJyJqUJ.QUjIzeE0JoW8/',
}

describe('in workerd', () => {
  let worker: WorkerUnderTest
  let behaviour: ((incoming: IncomingMessage, outgoing: ServerResponse) => void) | undefined
  let received: IncomingMessage[]
  const gateway = createServer(
    asGateway((incoming, outgoing) => {
      received.push(incoming)
      if (behaviour !== undefined) behaviour(incoming, outgoing)
      else
        outgoing.end(
          JSON.stringify({ url: incoming.url, verified: verifies(incoming), headers: incoming.rawHeaders }),
        )
    }),
  )

  beforeAll(async () => {
    const origin = await listen(gateway)
    const source = await buildWorker()
    worker = await startWorker(source, COMPATIBILITY_DATE, SECRETS)
    const user = { ...USER, target: { host: 'east', origin } }
    await worker.put('user:graham', user satisfies Record<Exclude<keyof UserRecord, 'epoch'>, unknown>)
    await worker.put('user:brian', { ...user, target: { host: 'east', origin: 'http://127.0.0.1:9' } })
    const noTls = { host: 'east', origin: origin.replace('http:', 'https:') }
    await worker.put('user:malcolm', { ...user, target: noTls })
    await worker.put('user:local', { ...user, target: { host: 'local', origin: 'local:' } })
    for (const [name, password] of Object.entries(FROM_HTPASSWD))
      await worker.put(`user:${name}`, { ...user, password })
    await worker.put('instance:site', { v: 1, host: 'east', origin, state: 'open', message: null })
    await worker.put('route:public.example', { v: 1, instance: 'site', access: 'public' })
  })
  afterAll(async () => {
    await worker.close()
    gateway.close()
    gateway.closeAllConnections()
  })
  beforeEach(() => {
    behaviour = undefined
    received = []
  })

  function get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(worker.url + path, { redirect: 'manual', headers: GRAHAM, ...init })
  }

  /** What the gateway of the host would find. */
  function verifies({ method, url, headers }: IncomingMessage): boolean {
    const parsed = parseSignature(String(headers['signature-input']), String(headers['signature']))!
    const user = headers['mux-user'] === undefined ? undefined : parseUserName(String(headers['mux-user']))
    const base = signatureBase(
      assertionComponents({
        method: method!,
        ...splitTarget(url!),
        forwardedHost: String(headers['x-forwarded-host']),
        decision: {
          user,
          instance: parseInstanceName(String(headers['mux-instance']))!,
          version: Number(headers['mux-version']),
          requestId: String(headers['x-request-id']),
        },
      }),
      parsed.parameters,
    )
    const key = new Uint8Array(hkdfSync('sha256', EDGE_KEY, '', `${HOST_KEY_INFO}east`, 32))
    return createHmac('sha256', key).update(base).digest('base64') === parsed.signatureBase64
  }

  test.each(Object.keys(FROM_HTPASSWD))('somebody with a hash of the kind %s signs in', async (name) => {
    const signIn = (password: string) => get('/', { headers: { authorization: basic(name, password) } })
    expect((await signIn('correct horse battery')).status).toBe(200)
    expect((await signIn('correct horse batterx')).status).toBe(401)
  })

  test.each(['/', '/a%2Fb/%2e%2e%2f?c=%zz;d', '/x?', '//evil/x', '/a;b', '/?a=b%20c+d', '/%00', '/\u00fc'])(
    'the gateway can verify what it receives of %s',
    async (path) => {
      expect(await (await get(path)).json()).toMatchObject({ verified: true })
    },
  )

  test.each([
    ["/it's?q='a'", "/it's?q=%27a%27"],
    ['/{id}/"a"?{b}', '/%7Bid%7D/%22a%22?{b}'],
    ['/%7Bid%7D', '/%7Bid%7D'],
    ['/.well-known/x', '/.well-known/x'],
  ])('the gateway can verify %s, which a URL cannot hold as it is', async (path, sent) => {
    const call = openRequest(worker.url, { path, headers: GRAHAM }).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    expect(JSON.parse(await text(answer))).toMatchObject({ url: sent, verified: true })
  })

  test.each(['/x/../_mux/session', '/./x', '/%2e%2e/x', '/\\evil.example'])(
    'the host is not asked for %s, of which a URL makes another path',
    async (path) => {
      const call = openRequest(worker.url, { path, headers: GRAHAM }).end()
      const [answer] = (await once(call, 'response')) as [IncomingMessage]
      expect([answer.statusCode, JSON.parse(await text(answer)).code]).toEqual([400, 'bad_request'])
      expect(received).toEqual([])
    },
  )

  test.each(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND'])(
    'of a %s too',
    async (method) => {
      expect(await (await get('/x', { method })).json()).toMatchObject({ verified: true })
    },
  )

  test.each(['notes.example', 'NOTES.example:80', 'notes.example:8080', '[::1]:80'])(
    'the target is the same whatever way the host is written: %s',
    async (host) => {
      const call = openRequest(worker.url, { path: '/a?b', headers: { ...GRAHAM, host } }).end()
      const [answer] = (await once(call, 'response')) as [IncomingMessage]
      expect(JSON.parse(await text(answer))).toMatchObject({ url: '/a?b', verified: true })
    },
  )

  test('a public route is signed without a user', async () => {
    const call = openRequest(worker.url, { headers: { host: 'public.example', 'mux-user': 'admin' } }).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    answer.resume()
    expect(received[0]!.headers).not.toHaveProperty('mux-user')
    expect(received[0]!.headers).not.toHaveProperty('x-remote-user')
    expect(received[0]!.headers['x-forwarded-host']).toBe('public.example')
    expect(verifies(received[0]!)).toBe(true)
  })

  test('what comes from outside under our names stays outside', async () => {
    const headers = {
      ...GRAHAM,
      mux_user: 'admin',
      'X-Remote_User': 'admin',
      'X-Forwarded-For': '6.6.6.6',
      Signature: 'x',
    }
    await get('/', { headers })
    const names = received[0]!.rawHeaders
      .filter((_text, at) => at % 2 === 0)
      .map((name) => name.toLowerCase())
    expect(names).not.toContain('mux_user')
    expect(names).not.toContain('authorization')
    expect(names.filter((name) => name === 'x-remote-user')).toHaveLength(1)
    expect(received[0]!.headers['x-remote-user']).toBe('graham')
    expect(received[0]!.headers['x-forwarded-for']).not.toContain('6.6.6.6')
  })

  test('one hash serves ten first requests of one credential', async () => {
    const statuses = await Promise.all(
      Array.from(
        { length: 10 },
        async () => (await get('/', { headers: { authorization: basic('local', PASSWORD) } })).status,
      ),
    )
    expect(new Set(statuses)).toEqual(new Set([503]))
  })

  test('ten wrong passwords at once are ten refusals', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        get('/', { headers: { authorization: basic('graham', `wrong${i}`) } }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(401))
  })

  test('one signs in by the form, and is somebody then', async () => {
    const signIn = await browse(`${worker.url}/_mux/signin`, {
      form: { username: 'graham', password: PASSWORD, next: '/x' },
      headers: { 'cf-connecting-ip': '192.0.2.9' },
    })
    expect(signIn.status).toBe(303)
    const cookie = signIn.headers['set-cookie']![0]!.split(';')[0]!
    expect(await (await get('/', { headers: { cookie } })).json()).toMatchObject({ verified: true })
    expect(received.at(-1)!.headers).not.toHaveProperty('cookie')
  })

  test('a redirect of the instance is the client’s to follow', async () => {
    behaviour = (_incoming, outgoing) => outgoing.writeHead(302, { location: 'https://evil.example/' }).end()
    const answer = await get('/')
    expect(answer.status).toBe(302)
    expect(answer.headers.get('location')).toBe('https://evil.example/')
  })

  test('an answer comes back under our request id, less what only we may say', async () => {
    behaviour = (_incoming, outgoing) =>
      outgoing
        .writeHead(201, [
          'Set-Cookie',
          'a=1',
          'Set-Cookie',
          '__Host-mux=x',
          'Set-Cookie',
          'b=2',
          'Mux-User',
          'x',
          'X-Request-Id',
          'y',
        ])
        .end()
    const answer = await get('/')
    expect(answer.status).toBe(201)
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(answer.headers.has('mux-user')).toBe(false)
    expect(answer.headers.get('x-request-id')).toBe(received[0]!.headers['x-request-id'])
  })

  test.each([
    ['gzip', gzipSync('hello '.repeat(100))],
    ['br', brotliCompressSync('hello '.repeat(100))],
    ['zstd', zstdCompressSync('hello '.repeat(100))],
    ['made-up', Buffer.from([0, 255, 128, 10])],
  ])('a body encoded as %s passes as it is', async (encoding, body) => {
    behaviour = (_incoming, outgoing) =>
      outgoing.writeHead(200, { 'content-encoding': encoding, 'content-length': body.length }).end(body)
    const call = openRequest(worker.url, { headers: { ...GRAHAM, 'accept-encoding': encoding } }).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    expect(answer.headers['content-encoding']).toBe(encoding)
    expect(answer.headers['content-length']).toBe(String(body.length))
    expect(Buffer.concat((await answer.toArray()) as Buffer[])).toEqual(body)
  })

  test('HEAD tells the length that a GET would have', async () => {
    behaviour = (_incoming, outgoing) => outgoing.writeHead(200, { 'content-length': 12345 }).end()
    const answer = await get('/', { method: 'HEAD' })
    expect(received[0]!.method).toBe('HEAD')
    expect(answer.headers.get('content-length')).toBe('12345')
  })

  test('a problem of the host is a problem document, and a page for a browser', async () => {
    behaviour = (_incoming, outgoing) =>
      outgoing
        .writeHead(503, {
          'mux-problem': 'instance_stopped',
          'retry-after': '9',
          'content-type': 'application/problem+json',
        })
        .end(JSON.stringify({ code: 'instance_stopped', detail: 'Back at <noon>.' }))
    const answer = await get('/')
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('9')
    expect(answer.headers.has('mux-problem')).toBe(false)
    expect(await answer.json()).toMatchObject({ code: 'instance_stopped', detail: 'Back at <noon>.' })
    const page = await browse(worker.url, { headers: GRAHAM })
    expect(page.status).toBe(503)
    expect(page.text).toContain('Back at &lt;noon&gt;.')
  })

  test.each([
    [520, 502],
    [521, 502],
    [530, 502],
    [522, 504],
    [524, 504],
  ])(
    'what Cloudflare answers with %i for a host that it does not reach is our %i',
    async (status, expected) => {
      behaviour = (_incoming, outgoing) => outgoing.writeHead(status).end('<html>cloudflare</html>')
      const answer = await get('/')
      expect(answer.status).toBe(expected)
      expect(await answer.text()).not.toContain('cloudflare')
    },
  )

  test('a host that nobody answers for is 502, and nothing of the reason is told', async () => {
    const answer = await get('/', { headers: { authorization: basic('brian', PASSWORD) } })
    expect(answer.status).toBe(502)
    expect(await answer.json()).toMatchObject({ code: 'instance_unreachable' })
    await expect.poll(() => worker.log.join('\n')).toContain('host_unreachable')
  })

  test('a host that drops packets is 504 within ten seconds; one that is reached, and takes its time, is waited for', async () => {
    await worker.put('instance:silent', {
      v: 1,
      host: 'north',
      origin: `http://127.0.0.1:${await silentPort()}`,
      state: 'open',
      message: null,
    } satisfies Record<keyof InstanceRecord, unknown>)
    await worker.put('route:silent.example', { v: 1, instance: 'silent', access: 'public' })
    behaviour = (_incoming, outgoing) =>
      void setTimeout(() => outgoing.end('at last'), FIRST_LOOK + SILENCE / 2)
    const slow = get('/')
    const began = performance.now()
    const call = openRequest(worker.url, { method: 'POST', headers: { host: 'silent.example' } }).end('x')
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    const took = performance.now() - began
    expect(answer.statusCode).toBe(504)
    expect(JSON.parse(await text(answer))).toMatchObject({ code: 'instance_response_timeout' })
    expect(took).toBeGreaterThan(FIRST_LOOK + SILENCE - 100)
    // What a busy machine adds.
    expect(took).toBeLessThan(FIRST_LOOK + SILENCE + 5_000)
    await expect
      .poll(() => worker.log.join('\n'))
      .toMatch(/host_unreachable.*"host":"north".*nothing came of a connection/)
    expect(await (await slow).text()).toBe('at last')
  })

  test('a host whose TLS is none is 502, and is not asked in plain text instead', async () => {
    const answer = await get('/', { headers: { authorization: basic('malcolm', PASSWORD) } })
    expect(answer.status).toBe(502)
    expect(await answer.json()).toMatchObject({ code: 'instance_unreachable' })
    expect(received).toEqual([])
  })

  test.skipIf(!hasOpenssl)(
    'nor is one whose certificate nobody vouches for (skipped without openssl)',
    async () => {
      const secure = createSecureServer(selfSigned(), () => expect.unreachable('it was sent a request'))
      onTestFinished(() => void secure.close())
      const target = { host: 'east', origin: (await listen(secure)).replace('http:', 'https:') }
      await worker.put('instance:unsigned', { v: 1, ...target, state: 'open', message: null })
      await worker.put('route:unsigned.example', { v: 1, instance: 'unsigned', access: 'public' })
      const call = openRequest(worker.url, { headers: { host: 'unsigned.example' } }).end()
      const [answer] = (await once(call, 'response')) as [IncomingMessage]
      expect(answer.statusCode).toBe(502)
      expect(JSON.parse(await text(answer))).toMatchObject({ code: 'instance_unreachable' })
    },
  )

  test('a host that breaks off in the middle of an upload is 502, and is not sent it again', async () => {
    behaviour = (incoming) => incoming.once('data', () => incoming.socket.resetAndDestroy())
    const answer = await get('/', { method: 'POST', body: Buffer.alloc(4 * 1024 * 1024) })
    expect(answer.status).toBe(502)
    expect(await answer.json()).toMatchObject({ code: 'instance_unreachable' })
    expect(received).toHaveLength(1)
  })

  test('an instance of a machine that has no gateway is on no host', async () => {
    const answer = await get('/', { headers: { authorization: basic('local', PASSWORD) } })
    expect(await answer.json()).toMatchObject({ code: 'instance_undefined' })
  })

  test('a WebSocket passes both ways, with its protocol and signed like any request', async () => {
    gateway.once('upgrade', (incoming: IncomingMessage, socket) => {
      received.push(incoming)
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(incoming)}\r\nMux-Proof: ${proofFor(incoming)}\r\n` +
          'Sec-WebSocket-Protocol: notes\r\nMux-X: 1\r\n\r\n',
      )
      // A text message "hi", unmasked as a server's are.
      socket.write(Buffer.from([0x81, 2, 0x68, 0x69]))
    })
    const url = worker.url.replace('http:', 'ws:')
    const socket = new WebSocket(url, { protocols: ['notes'], headers: GRAHAM })
    const [message] = (await once(socket, 'message')) as [MessageEvent]
    expect(message.data).toBe('hi')
    expect(socket.protocol).toBe('notes')
    expect(verifies(received[0]!)).toBe(true)
    socket.close()
  })

  function acceptFor(incoming: IncomingMessage): string {
    const key = `${incoming.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    return createHash('sha1').update(key).digest('base64')
  }
})

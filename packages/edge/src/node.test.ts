import { once } from 'node:events'
import { type IncomingMessage, request as openRequest } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { browse, sendRaw, statuses } from './fixtures/raw-client.ts'
import type { ForwardOrder } from './instance-host.ts'

let under: EdgeUnderTest
beforeEach(async () => {
  under = await startEdge()
  under.registry.addUser('graham', 'django1')
  under.registry.addUser('brian', 'django2')
  under.registry.addUser('eric', null)
})
afterEach(() => under.edge.close(0))

const GRAHAM = { authorization: basic('graham', PASSWORD) }

function get(path: string, headers: Record<string, string> = {}, init: RequestInit = {}): Promise<Response> {
  return fetch(under.url + path, { redirect: 'manual', headers, ...init })
}
async function order(path: string, headers: Record<string, string> = GRAHAM): Promise<ForwardOrder> {
  return (await (await get(path, headers)).json()) as ForwardOrder
}
function lastOrder(): ForwardOrder {
  return under.host.orders.at(-1)!
}
function rawGet(target: string, ...headers: string[]): string {
  const lines = ['Host: mux.example', `Authorization: ${GRAHAM.authorization}`, ...headers]
  return `GET ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`
}

describe('each user is served by the instance that is theirs', () => {
  test('at one URL', async () => {
    expect((await order('/')).decision).toMatchObject({ user: 'graham', instance: 'django1', version: 5 })
    const brian = await order('/', { authorization: basic('brian', PASSWORD) })
    expect(brian.decision).toMatchObject({ user: 'brian', instance: 'django2' })
  })

  test('and by another one from the next request on when the map changes', async () => {
    await order('/')
    under.registry.addUser('graham', 'django2', { version: 6 })
    expect((await order('/')).decision).toMatchObject({ instance: 'django2', version: 6 })
  })

  test('with one read of the registry besides that of the host name', async () => {
    await order('/')
    under.registry.reads.length = 0
    await order('/')
    expect(under.registry.reads).toEqual(['user:graham', 'route:127.0.0.1'])
  })

  test('or by none: somebody without an entry is told so', async () => {
    const answer = await get('/', { authorization: basic('eric', PASSWORD) })
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ code: 'no_instance' })
    expect(under.host.orders).toEqual([])
  })

  test('never by this host when it is on another one', async () => {
    under.registry.addInstance('site', { host: 'elsewhere', origin: 'https://elsewhere.example' })
    under.registry.addRoute('*', 'site', 'public')
    const answer = await get('/')
    expect(answer.status).toBe(421)
    expect(under.host.orders).toEqual([])
  })
})

describe('without credentials nothing reaches an instance', () => {
  test.each(['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE', 'PATCH'])('by %s', async (method) => {
    for (const path of [
      '/',
      '/healthz',
      '/ping',
      '/static/x.css',
      '/_mux%2fhealth',
      '/%5Fmux/health',
      '//_mux/health',
    ]) {
      const answer = await get(
        path,
        { 'x-original-url': '/_mux/health', 'user-agent': 'GoogleHC/1.0' },
        { method },
      )
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toBe('Basic realm="mux", charset="UTF-8"')
      expect(answer.headers.get('cache-control')).toBe('no-store')
    }
    expect(under.host.orders).toEqual([])
  })

  test('and a page that a browser opens becomes the sign-in page, which knows the way back', async () => {
    const answer = await browse(`${under.url}/notes?a=b&c=d`)
    expect(answer.status).toBe(303)
    expect(answer.headers.location).toBe('/_mux/signin?next=%2Fnotes%3Fa%3Db%26c%3Dd')
  })

  test('not even by what is no HTTP request at all', async () => {
    const received = await sendRaw(under.port, 'GARBAGE\r\n\r\n')
    expect(statuses(received)).toEqual([400])
    expect(received).toContain('"code":"bad_request"')
  })
})

describe('wrong credentials', () => {
  test.each([
    ['an unknown user', basic('nobody', PASSWORD)],
    ['a wrong password', basic('graham', 'wrong')],
    ['a disabled user', basic('disabled', PASSWORD)],
    ['a user without a password', basic('token-only', PASSWORD)],
    ['a name that no user can have', basic('a b', PASSWORD)],
    ['broken base64', 'Basic =='],
    ['an unknown token', `Bearer mux_0123456789abcdef_${'0'.repeat(40)}`],
    ['a broken token', 'Bearer mux_x'],
  ])('of %s look like all others, even with a session besides', async (_title, authorization) => {
    under.registry.addUser('disabled', 'django1', { disabled: true })
    under.registry.addUser('token-only', 'django1', { password: null })
    const cookie = await signIn('graham')
    for (const headers of [{ authorization }, { authorization, cookie }]) {
      const answer = await browse(under.url, { headers })
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toBe('Basic realm="mux", charset="UTF-8"')
    }
    const body = (await (await get('/', { authorization })).json()) as object
    expect({ ...body, request_id: '' }).toEqual({
      type: 'urn:mux:problem:unauthenticated',
      title: 'Sign in to go on.',
      status: 401,
      code: 'unauthenticated',
      request_id: '',
    })
    expect(under.host.orders).toEqual([])
  })

  test('are counted for the address of the client, and not for that of a proxy', async () => {
    const trusting = await startEdge({
      registry: under.registry,
      trustedProxies: [{ address: '127.0.0.1', prefix: 32 }],
    })
    const from = (address: string, password: string) =>
      fetch(trusting.url, {
        headers: { authorization: basic('graham', password), 'x-forwarded-for': address },
      })
    for (let i = 0; i < 10; i++) await from('192.0.2.7', `wrong${i}`)
    expect((await from('192.0.2.7', PASSWORD)).status).toBe(429)
    expect((await from('192.0.2.8', PASSWORD)).status).toBe(200)
    await trusting.edge.close(0)
  })

  test('too often from one address are slowed down, and even a right one has to wait then', async () => {
    for (let i = 0; i < 10; i++) await get('/', { authorization: basic('graham', `wrong${i}`) })
    const answer = await get('/', GRAHAM)
    expect(answer.status).toBe(429)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    under.clock.now += 61_000
    expect((await get('/', GRAHAM)).status).toBe(200)
  })
})

async function signIn(user: string): Promise<string> {
  const answer = await browse(`${under.url}/_mux/signin`, { form: { username: user, password: PASSWORD } })
  return answer.headers['set-cookie']![0]!.split(';')[0]!
}

describe('the credential that was used does not reach the instance', () => {
  test('Basic', async () => {
    expect((await order('/')).headers.join('\n')).not.toMatch(/authorization|Basic/i)
  })

  test('a session, while the application’s own cookies and credentials do', async () => {
    const cookie = `a=1; ${await signIn('graham')}; b=2`
    const { headers } = await order('/', { cookie, authorization: 'Negotiate abc' })
    expect(headers.join('\n')).not.toContain('__Host-mux')
    expect(headers).toContain('a=1; b=2')
    expect(headers).toContain('Negotiate abc')
  })
})

describe('a request reaches the instance as it was sent', () => {
  test.each([
    '//evil/x',
    '/\\evil',
    '/a;b',
    '/%2e%2e/x',
    '/../x/./y',
    '/%2F',
    '/%00',
    '/%0d%0aX:1',
    '/?a=%zz;b',
    '/x?',
    '/_muxer',
  ])('target %s byte for byte', async (target) => {
    expect(statuses(await sendRaw(under.port, rawGet(target)))).toEqual([200])
    expect(lastOrder().target).toBe(target)
  })

  test('with the address of the peer, the scheme and the host that are true', async () => {
    await sendRaw(
      under.port,
      rawGet('/', 'X-Forwarded-For: 6.6.6.6', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: evil'),
    )
    const { headers } = lastOrder()
    const value = (name: string) => headers.filter((_text, at) => headers[at - 1] === name)
    expect(value('X-Forwarded-For')).toEqual(['127.0.0.1'])
    expect(value('X-Forwarded-Proto')).toEqual(['http'])
    expect(value('X-Forwarded-Host')).toEqual(['mux.example'])
    expect(value('X-Remote-User')).toEqual(['graham'])
  })

  test('with what a proxy says of them instead, where its word is taken, and nothing that anybody else says', async () => {
    const trusting = await startEdge({
      registry: under.registry,
      trustedProxies: [{ address: '127.0.0.1', prefix: 32 }],
    })
    const told = ['X-Forwarded-For: 6.6.6.6, 192.0.2.7', 'X-Forwarded-Proto: https']
    const forged = ['x_forwarded_proto: ftp', 'Forwarded: for=6.6.6.6', 'X-Forwarded-Port: 1']
    await sendRaw(trusting.port, rawGet('/', ...told, 'X-Forwarded-Host: notes.example', ...forged))
    await sendRaw(trusting.port, rawGet('/', ...told))
    expect(statuses(await sendRaw(trusting.port, rawGet('/', 'X-Forwarded-Host: a@b')))).toEqual([400])
    await trusting.edge.close(0)
    const seen = trusting.host.orders.map(({ headers }) =>
      ['Host', 'X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host'].map((name) =>
        headers.filter((_text, at) => headers[at - 1] === name),
      ),
    )
    expect(seen).toEqual([
      [['notes.example'], ['192.0.2.7'], ['https'], ['notes.example']],
      [['mux.example'], ['192.0.2.7'], ['https'], ['mux.example']],
    ])
    expect(trusting.host.orders.flatMap(({ headers }) => headers).join()).not.toMatch(/ftp|6\.6\.6|-Port/)
  })

  test('in absolute form too, if it is for the host that Host names', async () => {
    expect(statuses(await sendRaw(under.port, rawGet('http://mux.example/a?b')))).toEqual([200])
    expect(lastOrder().target).toBe('/a?b')
    expect(statuses(await sendRaw(under.port, rawGet('http://evil.example/a')))).toEqual([400])
  })

  test('and its answer comes back under our request id, less what only we may say', async () => {
    under.host.behaviour = async (_incoming, outgoing, sent) => {
      outgoing.writeHead(
        201,
        sent.answerHeaders(['Set-Cookie', 'a=1', 'Set-Cookie', '__Host-mux=stolen', 'Mux-User', 'x']),
      )
      outgoing.end('made')
    }
    const answer = await get('/', GRAHAM)
    expect(answer.status).toBe(201)
    expect(answer.headers.getSetCookie()).toEqual(['a=1'])
    expect(answer.headers.get('mux-user')).toBeNull()
    expect(answer.headers.get('x-request-id')).toBe(lastOrder().decision.requestId)
  })

  test('by HEAD as well, with the length that a GET would have', async () => {
    under.host.behaviour = async (_incoming, outgoing, sent) => {
      outgoing.writeHead(200, sent.answerHeaders(['Content-Length', '12345']))
      outgoing.end()
    }
    const answer = await get('/', GRAHAM, { method: 'HEAD' })
    expect(answer.headers.get('content-length')).toBe('12345')
  })
})

describe('a body is asked for only when somebody may send it', () => {
  async function upload(authorization: string): Promise<{ asked: boolean; status: number; close: boolean }> {
    const call = openRequest(`${under.url}/`, {
      method: 'PUT',
      headers: { authorization, expect: '100-continue', 'content-length': 5 },
    })
    let asked = false
    call.on('continue', () => {
      asked = true
      call.end('12345')
    })
    call.flushHeaders()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    answer.resume()
    call.destroy()
    return { asked, status: answer.statusCode!, close: answer.headers.connection === 'close' }
  }

  test('a client that has proven nothing is refused before it sends any', async () => {
    expect(await upload(basic('graham', 'wrong'))).toEqual({ asked: false, status: 401, close: true })
  })

  test('asking for it is left to the host that has a place for it', async () => {
    under.host.behaviour = async (incoming, outgoing, sent) => {
      outgoing.writeContinue()
      incoming.resume()
      await once(incoming, 'end')
      outgoing.writeHead(200, sent.answerHeaders([])).end()
    }
    expect(await upload(GRAHAM.authorization)).toMatchObject({ asked: true, status: 200 })
  })

  test('a body that was refused does not become the next request', async () => {
    const body = rawGet('/smuggled')
    const head = `POST / HTTP/1.1\r\nHost: mux.example\r\nContent-Length: ${body.length}\r\n\r\n`
    expect(statuses(await sendRaw(under.port, head + body + rawGet('/next')))).toEqual([401, 200])
    expect(under.host.orders.map(({ target }) => target)).toEqual(['/next'])
  })
})

describe('limits', () => {
  test('of requests under way hold for one user, and not for another', async () => {
    const limited = await startEdge({ registry: under.registry, limits: { requests: 2 } })
    const finish = Promise.withResolvers<void>()
    limited.host.behaviour = async (_incoming, outgoing, sent) => {
      await finish.promise
      outgoing.writeHead(200, sent.answerHeaders([])).end()
    }
    const ask = (headers: Record<string, string>) => fetch(limited.url, { headers })
    const first = [ask(GRAHAM), ask(GRAHAM)]
    await expect.poll(() => limited.host.orders.length).toBe(2)
    const third = await ask(GRAHAM)
    expect(third.status).toBe(429)
    expect(third.headers.get('retry-after')).toBe('1')
    expect(await third.json()).toMatchObject({ code: 'too_many_requests' })
    const other = ask({ authorization: basic('brian', PASSWORD) })
    await expect.poll(() => limited.host.orders.length).toBe(3)
    finish.resolve()
    for (const answer of [...first, other]) expect((await answer).status).toBe(200)
    expect((await ask(GRAHAM)).status).toBe(200)
    await limited.edge.close(0)
  })

  test('of connections refuse one more as it comes, and take the next when one has left', async () => {
    const limited = await startEdge({ registry: under.registry, limits: { connections: 2 } })
    const open = [connect(limited.port, '127.0.0.1'), connect(limited.port, '127.0.0.1')]
    await Promise.all(open.map((socket) => once(socket, 'connect')))
    for (let i = 0; i < 5; i++) {
      const refusal = await sendRaw(limited.port, rawGet('/'))
      expect(refusal).toMatch(/^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n[^]*"code":"too_many_connections"/)
    }
    expect(limited.log.map(({ event }) => event)).toEqual(['connections_full'])
    open[0]!.destroy()
    await expect.poll(() => sendRaw(limited.port, rawGet('/')).catch(() => '')).toMatch(/^HTTP\/1\.1 200/)
    open[1]!.destroy()
    await limited.edge.close(0)
  })

  describe('of the time in which a client takes nothing of what is written to it', () => {
    const PATIENCE = 400
    const MIB = 1024 * 1024
    const chunk = Buffer.alloc(64 * 1024)

    /** An edge whose host answers without end, as fast as it is taken, and how many of those answers are under way. */
    async function startEndless() {
      const limited = await startEdge({ registry: under.registry, limits: { body: PATIENCE } })
      onTestFinished(() => limited.edge.close(0))
      let open = 0
      limited.host.behaviour = async (_incoming, outgoing, sent) => {
        open++
        outgoing.writeHead(200, sent.answerHeaders([]))
        const write = () => {
          while (outgoing.write(chunk));
        }
        outgoing.on('drain', write)
        write()
        await once(outgoing, 'close')
        open--
      }
      const client = connect(limited.port, '127.0.0.1').pause()
      client.on('error', () => {})
      onTestFinished(() => void client.destroy())
      return { client, open: () => open, orders: limited.host.orders, log: limited.log }
    }

    test('end an answer that nobody reads, although its client goes on sending', async () => {
      const { client, open, orders, log } = await startEndless()
      client.write(
        `POST / HTTP/1.1\r\nHost: a\r\nAuthorization: ${GRAHAM.authorization}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      )
      const sending = setInterval(() => client.write('1\r\nx\r\n'), PATIENCE / 8)
      await expect.poll(() => orders.length).toBe(1)
      await expect.poll(open).toBe(0)
      clearInterval(sending)
      expect(log).toContainEqual({ event: 'clients_stalled', connections: 1 })
    })

    test('end an upgraded connection of which the client only writes', async () => {
      const { client, orders } = await startEndless()
      client.write(
        `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${GRAHAM.authorization}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      )
      await expect.poll(() => orders.length).toBe(1)
      for (let sent = 0; sent < 64 * MIB; sent += MIB) client.write(Buffer.alloc(MIB))
      await expect.poll(() => client.closed).toBe(true)
    })

    test('leave a client alone that reads a little now and then', async () => {
      const { client, open } = await startEndless()
      client.write(rawGet('/'))
      await expect.poll(open).toBe(1)
      for (let turn = 0; turn < 4 * 8; turn++) {
        await delay(PATIENCE / 8)
        for (let taken = 0; taken < MIB;) {
          const part = client.read() as Buffer | null
          if (part === null) await once(client, 'readable')
          else taken += part.length
        }
      }
      expect(open()).toBe(1)
    })
  })
})

describe('closing', () => {
  /** A limit that no test can wait for, in milliseconds. */
  const HOUR = 3_600_000

  test('lets what is under way come to its end, and takes nothing more', async () => {
    let finish = () => {}
    const begun = new Promise<void>((resolve) => {
      under.host.behaviour = async (_incoming, outgoing, sent) => {
        resolve()
        await new Promise<void>((end) => (finish = end))
        outgoing.writeHead(200, sent.answerHeaders([])).end('late')
      }
    })
    const answer = get('/', GRAHAM)
    await begun
    const closed = under.edge.close(HOUR)
    const outcome = () =>
      get('/_mux/health').then(
        () => 'answered',
        (error: Error) => (error.cause as NodeJS.ErrnoException).code,
      )
    await expect.poll(outcome).toBe('ECONNREFUSED')
    finish()
    expect((await answer).headers.get('connection')).toBe('close')
    expect(await (await answer).text()).toBe('late')
    await closed
  })

  test.each([
    ['that has carried one before', 'GET /_mux/health HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['that has carried none yet', ''],
    ['on which one had begun to come', rawGet('/').slice(0, 20)],
  ])('answers a request that is on its way on a connection %s, as its last', async (_, before) => {
    const socket = connect(under.port, '127.0.0.1')
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk))
    socket.write(before)
    // Its connection was accepted when one that came after it is answered.
    await get('/_mux/health')
    if (before.endsWith('\r\n\r\n')) await expect.poll(() => received.length).toBe(1)
    const closed = under.edge.close(HOUR)
    const request = rawGet('/').replace('Connection: close\r\n', '')
    socket.write(request.slice(before.endsWith('\r\n\r\n') ? 0 : before.length))
    await once(socket, 'end')
    await closed
    const answers = Buffer.concat(received).toString('latin1')
    expect(statuses(answers).at(-1)).toBe(200)
    expect(answers.slice(answers.lastIndexOf('HTTP/1.1'))).toMatch(/^connection: close\r$/im)
  })

  test('settles when each request that came is being answered, whatever is still under way', async () => {
    const finish = Promise.withResolvers<void>()
    under.host.behaviour = async (_incoming, outgoing, sent) => {
      outgoing.writeHead(200, sent.answerHeaders([])).write('begun')
      await finish.promise
      outgoing.end()
    }
    const answer = await get('/', GRAHAM)
    await under.edge.settle(HOUR)
    finish.resolve()
    expect(await answer.text()).toBe('begun')
  })

  test('settles at its limit when a request is not being answered by then', async () => {
    under.host.behaviour = () => new Promise(() => {})
    const answer = get('/', GRAHAM)
    await expect.poll(() => under.host.orders.length).toBe(1)
    await under.edge.settle(100)
    await Promise.all([under.edge.close(0), expect(answer).rejects.toThrow()])
  })

  test('ends at its limit what does not end by itself, sockets too', async () => {
    const socket = connect(under.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(rawGet('/', 'Upgrade: websocket').replace('Connection: close', 'Connection: Upgrade'))
    await once(socket, 'data')
    under.host.behaviour = () => new Promise(() => {})
    const answer = get('/', GRAHAM)
    await expect.poll(() => under.host.orders.length).toBe(2)
    await Promise.all([under.edge.close(100), expect(answer).rejects.toThrow(), once(socket, 'close')])
  })

  test('called again, ends at the earlier limit', async () => {
    under.host.behaviour = () => new Promise(() => {})
    const answer = get('/', GRAHAM)
    await expect.poll(() => under.host.orders.length).toBe(1)
    await Promise.all([under.edge.close(HOUR), under.edge.close(0), expect(answer).rejects.toThrow()])
  })

  test('is quick when nobody is there, and harmless twice', async () => {
    await get('/', GRAHAM)
    await under.edge.close(HOUR)
    await under.edge.close(HOUR)
  })
})

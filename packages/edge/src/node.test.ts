import { once } from 'node:events'
import { type IncomingMessage, request as openRequest } from 'node:http'
import { connect } from 'node:net'
import { parseUserName, Problem, RecordError } from '@mux/contract'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { browse, sendRaw, statuses } from './fixtures/raw-client.ts'
import type { ForwardOrder } from './instance-host.ts'
import { createToken } from './tokens.ts'

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

  test('a token', async () => {
    const { id, token, sha256 } = createToken()
    const user = parseUserName('graham')!
    under.registry.set('token', id, { v: 1, user, sha256, expires: '2027-01-01T00:00:00Z', label: null })
    const sent = await order('/', { authorization: `Bearer ${token}` })
    expect(sent.decision.user).toBe('graham')
    expect(sent.headers.join('\n')).not.toContain('mux_')
    under.clock.now = Date.UTC(2027, 0, 1)
    expect((await get('/', { authorization: `Bearer ${token}` })).status).toBe(401)
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

test('requests that are sent ahead are answered one after the other', async () => {
  const begun: string[] = []
  under.host.behaviour = async (_incoming, outgoing, sent) => {
    begun.push(sent.target)
    await new Promise(setImmediate)
    expect(begun.at(-1)).toBe(sent.target)
    outgoing.writeHead(200, sent.answerHeaders(['Content-Length', '2'])).end(sent.target)
  }
  const ahead = ['/1', '/2', '/3'].map((target) => rawGet(target).replace('Connection: close\r\n', ''))
  const received = await sendRaw(under.port, [...ahead, rawGet('/4')].join(''))
  expect(statuses(received)).toEqual([200, 200, 200, 200])
  expect(received.match(/\/\d(?=HTTP|$)/g)).toEqual(['/1', '/2', '/3', '/4'])
})

describe('what cannot be forwarded safely is refused, and the connection ended', () => {
  // So that nothing is refused only because its password is still being checked.
  beforeEach(() => order('/').then(() => under.host.orders.splice(0)))
  const AUTHORIZED = `Authorization: ${GRAHAM.authorization}\r\n`
  test.each([
    ['two Hosts', `GET / HTTP/1.1\r\n${AUTHORIZED}Host: a\r\nHost: b\r\n\r\n`],
    ['no Host', `GET / HTTP/1.1\r\n${AUTHORIZED}\r\n`],
    ['a Host with a space', `GET / HTTP/1.1\r\n${AUTHORIZED}Host: a b\r\n\r\n`],
    ['a Host with user information', `GET / HTTP/1.1\r\n${AUTHORIZED}Host: a@b\r\n\r\n`],
    ['the asterisk', `OPTIONS * HTTP/1.1\r\n${AUTHORIZED}Host: a\r\n\r\n`],
    [
      'a length and chunks',
      `POST / HTTP/1.1\r\n${AUTHORIZED}Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'two lengths',
      `POST / HTTP/1.1\r\n${AUTHORIZED}Host: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n`,
    ],
    [
      'an encoding besides chunked',
      `POST / HTTP/1.1\r\n${AUTHORIZED}Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['a bare line feed in a header', `GET / HTTP/1.1\r\n${AUTHORIZED}Host: a\nX: 1\r\n\r\n`],
    ['a folded line', `GET / HTTP/1.1\r\n${AUTHORIZED}Host: a\r\nX: 1\r\n 2\r\n\r\n`],
    ['a space before the colon', `GET / HTTP/1.1\r\n${AUTHORIZED}Host: a\r\nX : 1\r\n\r\n`],
    [
      'an upgrade to h2c',
      `GET / HTTP/1.1\r\n${AUTHORIZED}Host: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
    ],
    [
      'an upgrade of a page of ours',
      `GET /_mux/health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    ],
  ])('%s', async (_title, text) => {
    const received = await sendRaw(under.port, text + rawGet('/next'))
    expect(statuses(received)).toEqual([400])
    expect(received).toMatch(/connection: close/i)
    expect(received).toContain('"code":"bad_request"')
    expect(under.host.orders).toEqual([])
  })

  test('TRACE and CONNECT are not allowed, and say what is', async () => {
    for (const line of ['TRACE /', 'CONNECT mux.example:80']) {
      const received = await sendRaw(
        under.port,
        `${line} HTTP/1.1\r\n${AUTHORIZED}Host: a\r\nConnection: close\r\n\r\n`,
      )
      expect(statuses(received)).toEqual([405])
      expect(received).toMatch(/^allow: GET,/im)
      expect(received).not.toContain('Basic')
    }
  })

  test('headers that are too large get 431', async () => {
    const received = await sendRaw(under.port, rawGet('/', `Cookie: ${'x'.repeat(70_000)}`))
    expect(statuses(received)).toEqual([431])
  })

  test('all of a thousand headers arrive', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => `X-${i}: 1`)
    expect(statuses(await sendRaw(under.port, rawGet('/', ...many)))).toEqual([200])
    expect(lastOrder().headers).toContain('X-2999')
  })
})

describe('what goes wrong behind', () => {
  test('is a problem document for a program', async () => {
    under.host.behaviour = async () => {
      throw new Problem('instance_stopped', { detail: 'Back at noon.', retryAfter: 7.2 })
    }
    const answer = await get('/', GRAHAM)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.headers.get('retry-after')).toBe('8')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const body = (await answer.json()) as Record<string, unknown>
    expect(body).toMatchObject({ code: 'instance_stopped', detail: 'Back at noon.' })
    expect(body['request_id']).toBe(answer.headers.get('x-request-id'))
    expect(under.log).toEqual([])
  })

  test('is a page for a person, with what the operator said and nothing of it as markup', async () => {
    under.host.behaviour = async () => {
      throw new Problem('instance_stopped', { detail: '<script>alert(1)</script>' })
    }
    const { status, headers, text } = await browse(under.url, { headers: GRAHAM })
    expect(status).toBe(503)
    expect(headers['content-type']).toMatch(/^text\/html/)
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(text).toContain('Your instance is stopped by the operator.')
  })

  test('is a page that tries again by itself while the instance starts', async () => {
    under.host.behaviour = async () => {
      throw new Problem('instance_starting', { retryAfter: 2 })
    }
    const { status, headers, text } = await browse(under.url, { headers: GRAHAM })
    expect(status).toBe(503)
    expect(headers['retry-after']).toBe('2')
    expect(text).toContain('<meta http-equiv="refresh" content="2" />')
  })

  test('is told to the log and not to the client when nobody foresaw it', async () => {
    under.host.behaviour = async () => {
      throw new Error('secret internals')
    }
    const answer = await get('/', GRAHAM)
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('secret')
    expect(under.log).toMatchObject([
      { event: 'request_failed', code: 'internal', request_id: answer.headers.get('x-request-id') },
    ])
  })

  test('closes the door when it is the registry: no record, no access', async () => {
    under.registry.read = async () => {
      throw new RecordError('user:graham', 'it is not JSON')
    }
    for (const path of ['/', '/_mux/health', '/_mux/session']) {
      const answer = await get(path, GRAHAM)
      expect(answer.status).toBe(503)
      expect(await answer.json()).toMatchObject({ code: 'registry_unavailable' })
    }
    expect(under.host.orders).toEqual([])
  })

  test('breaks the answer off, visibly, when it had begun', async () => {
    under.host.behaviour = async (_incoming, outgoing, sent) => {
      outgoing.writeHead(200, sent.answerHeaders(['Content-Length', '10']))
      outgoing.write('12345')
      throw new Error('too late')
    }
    await expect(get('/', GRAHAM).then((answer) => answer.text())).rejects.toThrow()
    expect(under.log).toMatchObject([{ event: 'answer_broken_off' }])
  })
})

describe('an upgrade takes the same chain', () => {
  const handshake = (...headers: string[]) =>
    [
      'GET /live HTTP/1.1',
      'Host: mux.example',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      ...headers,
      '',
      '',
    ].join('\r\n')

  test('with credentials, to the instance of the user', async () => {
    const socket = connect(under.port, '127.0.0.1')
    socket.write(handshake(`Authorization: ${GRAHAM.authorization}`, 'Mux-User: admin') + 'first')
    let received = ''
    socket.on('data', (chunk) => (received += chunk))
    await expect.poll(() => received).toMatch(/^HTTP\/1\.1 101 .*first$/s)
    socket.destroy()
    const { decision, headers, target } = lastOrder()
    expect({ target, ...decision }).toMatchObject({ target: '/live', user: 'graham', instance: 'django1' })
    expect(headers.filter((_text, at) => headers[at - 1]?.toLowerCase() === 'mux-user')).toEqual(['graham'])
    expect(headers).toContain('Sec-WebSocket-Key')
  })

  test('without them, to a 401 and the end of the connection', async () => {
    const received = await sendRaw(under.port, handshake())
    expect(statuses(received)).toEqual([401])
    expect(received).toContain('"code":"unauthenticated"')
    expect(received).toMatch(/connection: close/i)
    expect(under.host.orders).toEqual([])
  })
})

describe('closing', () => {
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
    const closed = under.edge.close(10_000)
    await expect(get('/', GRAHAM)).rejects.toThrow()
    finish()
    expect((await answer).headers.get('connection')).toBe('close')
    expect(await (await answer).text()).toBe('late')
    await closed
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
    const begin = performance.now()
    await Promise.all([under.edge.close(60_000), under.edge.close(0), expect(answer).rejects.toThrow()])
    expect(performance.now() - begin).toBeLessThan(2_000)
  })

  test('is quick when nobody is there, and harmless twice', async () => {
    await get('/', GRAHAM)
    const begin = performance.now()
    await under.edge.close(10_000)
    await under.edge.close(10_000)
    expect(performance.now() - begin).toBeLessThan(2_000)
  })
})

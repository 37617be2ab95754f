import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { sendRaw, statuses } from './fixtures/raw-client.ts'
import type { ForwardOrder } from './instance-host.ts'

let under: EdgeUnderTest
beforeEach(async () => {
  under = await startEdge()
  under.registry.addUser('graham', 'django1')
  // So that nothing is refused only because its password is still being checked.
  await fetch(under.url, { headers: GRAHAM })
  under.host.orders.length = 0
})
afterEach(() => under.edge.close(0))

const GRAHAM = { authorization: basic('graham', PASSWORD) }

function lastOrder(): ForwardOrder {
  return under.host.orders.at(-1)!
}
function rawGet(target: string, ...headers: string[]): string {
  const lines = ['Host: mux.example', `Authorization: ${GRAHAM.authorization}`, ...headers]
  return `GET ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`
}

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

  test('sent ahead behind a request, it waits for the answer to that', async () => {
    const finish = Promise.withResolvers<void>()
    under.host.behaviour = async (_incoming, outgoing, sent) => {
      await finish.promise
      outgoing.writeHead(200, sent.answerHeaders(['Content-Length', '2'])).end('ok')
    }
    const first = rawGet('/slow').replace('Connection: close\r\n', '')
    const socket = connect(under.port, '127.0.0.1')
    let received = ''
    socket.on('data', (chunk) => (received += chunk))
    socket.write(first + handshake(`Authorization: ${GRAHAM.authorization}`))
    await expect.poll(() => under.host.orders.length).toBe(1)
    expect(received).toBe('')
    finish.resolve()
    await expect.poll(() => received).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nokHTTP\/1\.1 101 /)
    socket.destroy()
  })

  test('without them, to a 401 and the end of the connection', async () => {
    const received = await sendRaw(under.port, handshake())
    expect(statuses(received)).toEqual([401])
    expect(received).toContain('"code":"unauthenticated"')
    expect(received).toMatch(/connection: close/i)
    expect(under.host.orders).toEqual([])
  })
})

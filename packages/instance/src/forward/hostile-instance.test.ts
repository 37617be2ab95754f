import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { eventually, get, rawClient, startFixedPeer, startFront, startRawPeer } from './fixtures/front.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const SECOND = 'HTTP/1.1 200 OK\r\nX-Planted: 1\r\nContent-Length: 7\r\n\r\nplanted'
/** By its own connection, as a chunked body goes; the other way is by a kept one. */
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
const KEPT = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const BOTH = [
  ['a kept connection', KEPT],
  ['its own connection', CHUNKED],
] as const

it('a client of HTTP/1.0, to which the end of a connection is that of an answer, sees a reset where a part is missing', async () => {
  const peer = await startRawPeer((socket) => {
    socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  })
  const front = await startFront(peer.address)
  const client = rawClient(front.port, KEPT.replace('1.1', '1.0'))
  const [error] = (await once(client.socket, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNRESET')
})

describe.each(BOTH)('by %s', (_, request) => {
  it.each([
    ['less than its length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['a chunk cut in the middle', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc'],
    ['chunks without an end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'],
    ['a chunk size that is none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n'],
  ])('an instance that sends %s and closes cuts the transfer visibly', async (_, answer) => {
    const peer = await startRawPeer((socket, received) => {
      if (received.includes('\r\n\r\n')) socket.end(answer)
    })
    const front = await startFront(peer.address)
    const received = await rawClient(front.port, request).closed()
    expect(received).toMatch(/^$|^HTTP\/1.1 200/)
    expect(received).not.toMatch(/\r\n0\r\n|Content-Length: 3/)
    await eventually(
      () => front.open === 0 && front.leased === 0,
      () => 'left open',
    )
  })

  it.each([
    ['nothing', ''],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['a status that is no number', 'HTTP/1.1 2x0 OK\r\n\r\n'],
    ['a control byte in its reason', 'HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['NUL in a header', 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n'],
    ['a bare CR in a header', 'HTTP/1.1 200 OK\r\nX: a\rb: c\r\nContent-Length: 0\r\n\r\n'],
    ['a nameless header', 'HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n'],
    [
      'a length besides an encoding',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n'],
    [
      'a switch of protocols unasked',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
    ['a switch without a name', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    ['a head of 100 kB', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\nContent-Length: 0\r\n\r\n`],
  ])('an instance that answers with %s is 502, with nothing of it in the answer', async (_, answer) => {
    const peer = await startRawPeer((socket, received) => {
      if (received.includes('\r\n\r\n')) socket.end(answer, 'latin1')
    })
    const front = await startFront(peer.address)
    const client = rawClient(front.port, request)
    expect(await client.until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 502 Bad Gateway\r\n/)
    expect(front.problems).toEqual(['instance_unreachable'])
    expect(front.leased).toBe(0)
  })

  it.each(['f\xc3\xbcr dich', 'f\xfcr dich', 'OK  \t ok', ''])(
    'the reason %j of an instance keeps nothing of its answer from its client',
    async (reason) => {
      const peer = await startFixedPeer(`HTTP/1.1 200 ${reason}\r\nContent-Length: 2\r\n\r\nok`)
      const front = await startFront(peer.address)
      const received = await rawClient(front.port, request).until(/\r\n\r\n/)
      // The byte that is no UTF-8 by itself is lost in the pool.
      const expected = [reason, reason.replace('\xfc', '\xef\xbf\xbd')].map((text) => `HTTP/1.1 200 ${text}`)
      expect(expected).toContain(received.split('\r\n')[0])
    },
  )

  it.each([
    ['more than its length', `${OK}${SECOND}`],
    ['a body with 204', `HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nplanted`],
    ['a body with 304', `HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nplanted`],
    ['a second answer behind 204', `HTTP/1.1 204 No Content\r\n\r\n${SECOND}`],
  ])(
    'of an instance that sends %s, the client gets one answer and the next client none of the rest',
    async (_, answer) => {
      const peer = await startFixedPeer(answer)
      const front = await startFront(peer.address)
      for (let round = 0; round < 5; round++) {
        const client = rawClient(front.port, request)
        await client.until(/\r\n\r\n/)
        client.socket.end()
        expect(await client.closed()).not.toContain('planted')
      }
      expect(peer.received).toHaveLength(5)
    },
  )

  it('an instance that never stops saying 1xx can be left', async () => {
    const peer = await startRawPeer((socket) => {
      const flood = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)), 1)
      socket.once('close', () => clearInterval(flood))
    })
    const front = await startFront(peer.address)
    const client = rawClient(front.port, request)
    await eventually(
      () => peer.sockets.length === 1,
      () => 'no request',
    )
    client.socket.destroy()
    await eventually(
      () => front.open === 0 && peer.sockets[0]!.destroyed,
      () => 'still there',
    )
  })
})

it.each([0, 5, 50])(
  'a complete answer that nobody asked for, %i ms after the one that was, reaches no other client',
  async (after) => {
    const peer = await startRawPeer((socket, received) => {
      if (!received.endsWith('\r\n\r\n')) return
      const id = /GET \/(\d+)/.exec(received.slice(received.lastIndexOf('GET')))?.[1] ?? '?'
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${id.length}\r\n\r\n${id}`)
      setTimeout(() => socket.write(SECOND), after)
    })
    const front = await startFront(peer.address)
    for (let round = 0; round < 40; round++) {
      const answer = await get(front.port, `/${round}`)
      expect(answer).not.toContain('planted')
      // Slow enough for the late answer to find the connection idle, which is when it can be told.
      await new Promise((resolve) => setTimeout(resolve, after + 2))
    }
  },
)

it('an answer to HEAD with a body leaves nothing on the connection for the next client', async () => {
  const peer = await startFixedPeer(SECOND)
  const front = await startFront(peer.address)
  for (let round = 0; round < 5; round++) {
    const answer = await rawClient(
      front.port,
      'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    ).closed()
    expect(answer).toMatch(/^HTTP\/1.1 200[^]*Content-Length: 7[^]*\r\n\r\n$/)
  }
})

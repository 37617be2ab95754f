import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { eventually, get, rawClient, startFront, startRawPeer, startUpstream } from './fixtures/front.ts'

const LIMIT = 300
/** Where something is to come in time: so long is no process kept waiting in the middle of its work. */
const AMPLE = 1_000

const WITH_LENGTH: [string, string] = [
  'a request with a length',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
]
const CHUNKED: [string, string] = [
  'a chunked request',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
]

it.each<[string, string]>([
  ['a request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  WITH_LENGTH,
  CHUNKED,
  [
    'a handshake',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  ],
])(
  '%s that is not answered in time is 504, reaches the instance once, and frees its place',
  async (_, text) => {
    const under = new Set<ServerResponse>()
    let seen = 0
    const upstream = await startUpstream((_incoming, outgoing) => {
      seen++
      under.add(outgoing)
      outgoing.once('close', () => under.delete(outgoing))
    })
    const front = await startFront(upstream, { responseLimit: LIMIT })
    const client = rawClient(front.port, text)
    await client.until(/^HTTP\/1.1 504/)
    await eventually(
      () => front.leased === 0 && front.open === 0 && under.size === 0,
      () => `left: ${front.leased} leased, ${front.open} open, ${under.size} upstream`,
    )
    expect(front.problems).toEqual(['instance_response_timeout'])
    expect(seen).toBeLessThanOrEqual(1)
  },
)

it('an instance that goes on saying 1xx is 504 all the same', async () => {
  const peer = await startRawPeer((socket) => {
    const flood = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 10)
    socket.once('close', () => clearInterval(flood))
  })
  const front = await startFront(peer.address, { responseLimit: LIMIT })
  await rawClient(front.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n').until(/^HTTP\/1.1 504/)
  await eventually(
    () => peer.sockets[0]!.destroyed && front.leased === 0,
    () => 'its connection is kept',
  )
})

const UPLOAD = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n'

it.each([
  ['of a known length', `${UPLOAD}Content-Length: 5\r\n\r\nhel`],
  ['in chunks', `${UPLOAD}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n`],
])('a body %s that goes silent is 408, and frees its place', async (_, text) => {
  const under = new Set<ServerResponse>()
  const upstream = await startUpstream((incoming, outgoing) => {
    incoming.resume()
    under.add(outgoing)
    outgoing.once('close', () => under.delete(outgoing))
  })
  const front = await startFront(upstream, { bodySilence: LIMIT })
  await rawClient(front.port, text).until(/^HTTP\/1.1 408/)
  await eventually(
    () => front.leased === 0 && under.size === 0,
    () => `left: ${front.leased} leased, ${under.size} upstream`,
  )
  expect(front.problems).toEqual(['request_timeout'])
})

it('a hundred bodies of which only a byte comes now and then are 408, too, and one that makes some progress is waited for', async () => {
  const upstream = await startUpstream((incoming, outgoing) => {
    incoming.resume().once('end', () => outgoing.end('whole'))
  })
  const front = await startFront(upstream, { bodySilence: AMPLE })
  const send = (each: number, times: number) => {
    const client = rawClient(front.port, `${UPLOAD}Content-Length: ${times * each}\r\n\r\n`)
    let sent = 0
    const sending = setInterval(() => {
      client.socket.write('x'.repeat(each))
      if (++sent === times) clearInterval(sending)
    }, AMPLE / 5)
    onTestFinished(() => clearInterval(sending))
    return client
  }
  const slow = Array.from({ length: 100 }, () => send(1, 10_000))
  const steady = send(1024, 8)
  await Promise.all(slow.map((client) => client.until(/^HTTP\/1.1 408/)))
  expect(await steady.closed()).toMatch(/whole/)
  await eventually(
    () => front.leased === 0,
    () => `${front.leased} left`,
  )
})

it('a body may be silent once its answer has begun', async () => {
  const upstream = await startUpstream((incoming, outgoing) => {
    outgoing.write('begun')
    incoming.resume().once('end', () => outgoing.end('whole'))
  })
  const front = await startFront(upstream, { bodySilence: AMPLE })
  const client = rawClient(front.port, `${UPLOAD}Content-Length: 5\r\n\r\nhel`)
  await client.until(/begun/)
  await delay(1.5 * AMPLE)
  client.socket.write('lo')
  expect(await client.closed()).toMatch(/whole/)
})

const WHOLE = Buffer.alloc(32 * 1024 * 1024, 'a')

it.each([
  ['of a known length', `Content-Length: ${WHOLE.length}\r\n\r\n`],
  ['in chunks', `Transfer-Encoding: chunked\r\n\r\n${WHOLE.length.toString(16)}\r\n`],
])(
  'a body %s of which an instance takes nothing once its answer has begun is given up, though its client has left',
  async (_, framing) => {
    const upstream = await startUpstream((incoming, outgoing) => {
      incoming.pause()
      outgoing.write('begun')
    })
    const front = await startFront(upstream, { responseLimit: LIMIT })
    const client = rawClient(front.port, `${UPLOAD}${framing}a`)
    await client.until(/begun/)
    client.socket.end(WHOLE.subarray(1))
    await eventually(
      () => front.leased === 0 && front.open === 0,
      () => `left: ${front.leased} leased, ${front.open} open`,
    )
  },
)

it('a body may wait for longer while its answer goes on', async () => {
  const upstream = await startUpstream((incoming, outgoing) => {
    incoming.pause()
    let said = 0
    const saying = setInterval(() => {
      outgoing.write('more')
      if (++said < 8) return
      clearInterval(saying)
      incoming.resume().once('end', () => outgoing.end('whole'))
    }, AMPLE / 5)
  })
  const front = await startFront(upstream, { responseLimit: AMPLE })
  const client = rawClient(front.port, `${UPLOAD}Content-Length: ${WHOLE.length}\r\n\r\n`)
  client.socket.write(WHOLE)
  expect(await client.closed()).toMatch(/whole/)
})

it('a GET is not sent once more because a kept connection was late', async () => {
  let seen = 0
  const upstream = await startUpstream((_, outgoing) => {
    if (++seen === 1) outgoing.end('ok')
  })
  const front = await startFront(upstream, { responseLimit: AMPLE })
  expect(await get(front.port)).toMatch(/^HTTP\/1.1 200/)
  expect(await get(front.port)).toMatch(/^HTTP\/1.1 504/)
  expect(seen).toBe(2)
})

it.each([WITH_LENGTH, CHUNKED])('%s may take longer to be sent, and its answer after it', async (_, text) => {
  const upstream = await startUpstream((incoming, outgoing) => {
    incoming.on('end', () => outgoing.end('thanks')).resume()
  })
  const front = await startFront(upstream, { responseLimit: AMPLE })
  const [head, ...body] = text.split(/(?=hello)|(?<=hel)/)
  const client = rawClient(front.port, head)
  for (const part of body) {
    await delay(0.7 * AMPLE)
    client.socket.write(part)
  }
  await client.until(/thanks/)
})

it('an answer that has begun may take as long as it likes', async () => {
  const upstream = await startUpstream((_, outgoing) => {
    outgoing.write('so')
    setTimeout(() => outgoing.end(' late'), 1.5 * AMPLE)
  })
  const front = await startFront(upstream, { responseLimit: AMPLE })
  expect(await get(front.port)).toMatch(/late/)
})

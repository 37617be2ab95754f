import { once } from 'node:events'
import { request as openRequest } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parseInstanceName, Problem } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import {
  eventually,
  get,
  rawClient,
  startFixedPeer,
  startFront,
  startRawPeer,
  startUpstream,
} from './fixtures/front.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('what the instance sees', () => {
  it.each([
    '/a?b=c',
    '//x',
    '/%2e%2e/',
    '/a;b?x=%zz',
    '/%00%0d%0aX:1',
    '/a\\b/../c',
    '/?',
    '/{}|^`"<>',
    `/${'x'.repeat(8000)}`,
  ])('is the target %.20s, byte for byte', async (target) => {
    const peer = await startFixedPeer(OK)
    const front = await startFront(peer.address)
    expect(await get(front.port, target)).toMatch(/ok$/)
    expect(peer.received[0]!.split('\r\n')[0]).toBe(`GET ${target} HTTP/1.1`)
  })

  it('is the header list in its order, with its bytes, its duplicates and nothing added but a connection header', async () => {
    const peer = await startFixedPeer(OK)
    const front = await startFront(peer.address)
    await get(front.port, '/', ['X-B: \u00fc\u00ff', 'Accept: a', 'accept: b', 'X-a:  1, 2 ', 'X-Empty:'])
    expect(peer.received[0]!.split('\r\n').slice(1, -2)).toEqual([
      'host: a',
      'connection: keep-alive',
      'X-B: \u00fc\u00ff',
      'Accept: a',
      'accept: b',
      'X-a: 1, 2',
      'X-Empty: ',
    ])
  })

  it.each(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PURGE', 'PROPFIND', 'REPORT'])(
    'is a body with its length on %s, and the next request after it',
    async (method) => {
      const upstream = await startUpstream((incoming, outgoing) => {
        incoming.setEncoding('utf8').once('data', (body) => {
          outgoing.end(JSON.stringify([incoming.method, incoming.headers['content-length'], body]))
        })
      })
      const front = await startFront(upstream)
      const request = `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`
      const client = rawClient(front.port, request)
      await client.until(/hello/)
      client.socket.write(request)
      const expected = JSON.stringify([method, '5', 'hello'])
      await eventually(
        () => client.received.split(expected).length === 3,
        () => client.received,
      )
    },
  )

  it('is a chunked body as it comes, its head before the first byte, and its trailers but those that could be ours', async () => {
    const peer = await startRawPeer((socket, received) => {
      if (received.endsWith('\r\n\r\n') && received.includes('\r\n0\r\n')) socket.end(OK)
    })
    const front = await startFront(peer.address)
    const client = rawClient(front.port, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
    await eventually(
      () => (peer.received[0] ?? '').endsWith('\r\n\r\n'),
      () => 'no head',
    )
    client.socket.write('3\r\nabc\r\n')
    await eventually(
      () => peer.received[0]!.endsWith('3\r\nabc\r\n'),
      () => peer.received[0]!,
    )
    client.socket.write(
      '0\r\nX-Checksum: 1\r\nMux-User: admin\r\nMUX_user: admin\r\nX_Remote-User: admin\r\nx-checksum: 2\r\nHost: b\r\n\r\n',
    )
    await client.until(/ok$/)
    expect(peer.received[0]!.split('0\r\n').at(-1)).toBe('X-Checksum: 1\r\nx-checksum: 2\r\n\r\n')
  })

  it('is no body before the client was asked for it, when it waits for that', async () => {
    let grant: () => void = () => {}
    const upstream = await startUpstream((incoming, outgoing) => {
      incoming.pipe(outgoing)
    })
    const front = await startFront(upstream, {
      claim: (lease) =>
        new Promise((resolve) => {
          grant = () => resolve(lease)
        }),
    })
    const client = rawClient(
      front.port,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
    )
    await eventually(
      () => front.open === 1,
      () => 'no request',
    )
    expect(client.received).toBe('')
    grant()
    await client.until(/^HTTP\/1.1 100 Continue\r\n\r\n$/)
    client.socket.write('hello')
    await client.until(/HTTP\/1.1 200 OK[^]*hello/)
  })
})

describe('what the client sees', () => {
  it('is the status, the reason and the header list as the instance gave them', async () => {
    const head = [
      'HTTP/1.1 418 I am a teapot',
      'Set-Cookie: a=1',
      'X-Latin: \u00fc\u00ff',
      'set-cookie: b=2',
      'Content-Length: 2',
      'Date: x',
      'Set-Cookie: c=3',
    ]
    const front = await startFront((await startFixedPeer(`${head.join('\r\n')}\r\n\r\nok`)).address)
    const answer = await get(front.port)
    expect(answer.split('\r\n')).toEqual([...head, 'Connection: close', '', 'ok'])
  })

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n', /Content-Length: 1000/],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', /^HTTP\/1.1 200/],
    ['GET', 'HTTP/1.1 204 No Content\r\nETag: "a"\r\n\r\n', /ETag: "a"/],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: "a"\r\n\r\n', /ETag: "a"/],
  ])('is an answer without a body to %s: %j', async (method, answer, expected) => {
    const front = await startFront((await startFixedPeer(answer)).address)
    const client = rawClient(front.port, `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)
    await client.until(/\r\n\r\n/)
    client.socket.write(`${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    const both = await client.closed()
    expect(both).toMatch(expected)
    expect(both.split('\r\n\r\n')).toHaveLength(3)
    expect(both.endsWith('\r\n\r\n')).toBe(true)
  })

  it('is a range as the instance cut it', async () => {
    const part = 'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-3/10\r\nContent-Length: 2\r\n\r\ncd'
    const peer = await startFixedPeer(part)
    const front = await startFront(peer.address)
    expect(await get(front.port, '/', ['Range: bytes=2-3'])).toMatch(/206[^]*bytes 2-3\/10[^]*cd$/)
    expect(peer.received[0]).toContain('Range: bytes=2-3')
  })

  it('is every event of a stream when it happens, and the head before the first', async () => {
    const steps: (() => void)[] = []
    const upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
      steps.push(
        () => outgoing.write('data: 1\n\n'),
        () => outgoing.write('data: 2\n\n'),
        () => outgoing.end(),
      )
    })
    const front = await startFront(upstream)
    const client = rawClient(front.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/text\/event-stream[^]*\r\n\r\n$/)
    steps[0]!()
    await client.until(/data: 1\n\n\r\n$/)
    steps[1]!()
    await client.until(/data: 2\n\n\r\n$/)
    steps[2]!()
    await client.until(/\r\n0\r\n\r\n$/)
    expect(front.leased).toBe(0)
  })

  it.each([
    ['a kept connection', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['its own connection', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])('is the whole of an answer that ends with its connection, on %s', async (_, request) => {
    const peer = await startRawPeer((socket, received) => {
      if (received.endsWith('\r\n\r\n')) socket.end('HTTP/1.0 200 OK\r\nServer: old\r\n\r\nto the end')
    })
    const front = await startFront(peer.address)
    expect(await rawClient(front.port, request).until(/\r\n0\r\n\r\n$/)).toMatch(
      /^HTTP\/1.1 200 OK[^]*to the end/,
    )
  })

  it('is the trailers of a chunked answer', async () => {
    const chunked =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nx-sum: 8\r\n\r\n'
    const front = await startFront((await startFixedPeer(chunked)).address)
    expect(await get(front.port)).toMatch(/2\r\nok\r\n0\r\nX-Sum: 7\r\nx-sum: 8\r\n\r\n$/)
  })

  it.each([
    ['103 Early Hints', 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'],
    ['102 Processing', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['many of them', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(50)],
  ])('is the final answer, whole, after %s', async (_, interim) => {
    const front = await startFront((await startFixedPeer(`${interim}${OK}`)).address)
    expect(await get(front.port)).toMatch(/^HTTP\/1.1 200 OK[^]*\r\n\r\nok$/)
  })

  it('is an answer that came before the end of its upload, with the connection usable behind it', async () => {
    const upstream = await startUpstream((incoming, outgoing) => {
      if (incoming.url === '/early') outgoing.writeHead(413).end('too much')
      else outgoing.end('next')
    })
    const front = await startFront(upstream)
    for (const framing of ['Content-Length: 2000000', 'Transfer-Encoding: chunked']) {
      const chunked = framing.startsWith('T')
      const client = rawClient(front.port, `POST /early HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`)
      const half = 'x'.repeat(1_000_000)
      client.socket.write(chunked ? `f4240\r\n${half}\r\n` : half)
      await client.until(/413[^]*too much/)
      client.socket.write(chunked ? `f4240\r\n${half}\r\n0\r\n\r\n` : half)
      client.socket.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
      await client.until(/next/)
    }
    expect(front.leased).toBe(0)
  })

  it('is `Connection: close` on an answer that begins when the generation is leaving', async () => {
    const front = await startFront((await startFixedPeer(OK)).address)
    const client = rawClient(front.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.until(/ok$/)).toContain('Connection: keep-alive')
    front.leave()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.closed()).toContain('Connection: close')
  })
})

describe('leaving', () => {
  it('frees the place of a client that leaves while it is held', async () => {
    let aborted = false
    const front = await startFront(
      { port: 1 },
      {
        claim: (lease, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              aborted = true
              lease.release()
              reject(signal.reason as Error)
            })
          }),
      },
    )
    const client = rawClient(front.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n')
    await eventually(
      () => front.open === 1,
      () => 'not held',
    )
    client.socket.destroy()
    await eventually(
      () => aborted && front.open === 0,
      () => 'still held',
    )
    expect(front.problems).toEqual([])
  })

  it('gives a lease back that comes when the client has left', async () => {
    let grant: () => void = () => {}
    const front = await startFront(
      { port: 1 },
      {
        claim: (lease) =>
          new Promise((resolve) => {
            grant = () => resolve(lease)
          }),
      },
    )
    const client = rawClient(front.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await eventually(
      () => front.leased === 1,
      () => 'not held',
    )
    client.socket.destroy()
    await eventually(
      () => front.open === 0,
      () => 'not settled',
    )
    grant()
    await eventually(
      () => front.leased === 0,
      () => 'not given back',
    )
  })

  it.each([
    ['before the head of the answer', '/silent', 'GET /silent HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['in the middle of the answer', '/endless', 'GET /endless HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['in its upload', '/silent', 'PUT /silent HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc'],
    [
      'in its chunked upload',
      '/silent',
      'PUT /silent HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    ],
    [
      'with requests waiting behind the first',
      '/silent',
      'GET /silent HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20),
    ],
  ])('by the client %s reaches the instance at once', async (_, _target, request) => {
    let under = 0
    let seen = 0
    const upstream = await startUpstream((incoming, outgoing) => {
      under++
      seen++
      outgoing.once('close', () => under--)
      if (incoming.url === '/endless') {
        const more = (): void => {
          while (!outgoing.destroyed && outgoing.write(Buffer.alloc(65536)));
        }
        outgoing.on('drain', more)
        more()
      }
    })
    const front = await startFront(upstream)
    const client = rawClient(front.port, request)
    await eventually(
      () => seen > 0,
      () => 'the instance saw nothing',
    )
    client.socket.destroy()
    await eventually(
      () => under === 0 && front.open === 0 && front.leased === 0,
      () => `left: ${under} upstream, ${front.open} open, ${front.leased} leased`,
    )
    expect(front.problems).toEqual([])
  })

  it('by half: a client that ends its side in the middle of a request is forgotten cleanly', async () => {
    const upstream = await startUpstream((incoming, outgoing) => incoming.pipe(outgoing))
    const front = await startFront(upstream)
    const client = rawClient(front.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')
    await client.until(/abc/)
    client.socket.end()
    await client.closed()
    await eventually(
      () => front.open === 0 && front.leased === 0,
      () => 'left open',
    )
  })

  it('of the generation, when its time is over, ends what is under way: 502 before the head, a cut answer after it', async () => {
    const upstream = await startUpstream((incoming, outgoing) => {
      if (incoming.url === '/begun') outgoing.write('some')
    })
    const front = await startFront(upstream)
    const silent = rawClient(front.port, 'GET /silent HTTP/1.1\r\nHost: a\r\n\r\n')
    const begun = rawClient(front.port, 'GET /begun HTTP/1.1\r\nHost: a\r\n\r\n')
    await begun.until(/some/)
    await eventually(
      () => front.leased === 2,
      () => 'not under way',
    )
    front.end()
    await silent.until(/^HTTP\/1.1 502/)
    expect(await begun.closed()).not.toMatch(/\r\n0\r\n/)
    await eventually(
      () => front.leased === 0 && front.open === 0,
      () => 'left open',
    )
    expect(front.problems).toEqual(['instance_unreachable'])
    expect((await get(front.port, '/late')).slice(0, 12)).toBe('HTTP/1.1 502')
  })
})

describe('a stream of events whose generation comes to its end', () => {
  const begun = (headers: Record<string, string>) =>
    startUpstream((_, outgoing) => {
      outgoing.writeHead(200, headers).write('data: 1\n\n')
    })

  it('ends as one that is whole, so that its client connects again at once, on the same connection', async () => {
    const front = await startFront(await begun({ 'Content-Type': 'text/event-stream; charset=utf-8' }))
    const client = rawClient(front.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/data: 1/)
    front.end()
    await client.until(/\r\n0\r\n\r\n$/)
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1\r\n\r\n')
    await client.until(/HTTP\/1.1 502/)
    await eventually(
      () => front.leased === 0 && front.open === 0,
      () => 'left open',
    )
    expect(front.problems).toEqual(['instance_unreachable'])
  })

  it('is cut off visibly where it has said how long it is', async () => {
    const headers = { 'Content-Type': 'text/event-stream', 'Content-Length': '100' }
    const front = await startFront(await begun(headers))
    const client = rawClient(front.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/data: 1/)
    front.end()
    await client.closed()
  })
})

describe('refusals', () => {
  it.each([
    ['a claim that is refused', () => new Problem('instance_busy'), 'instance_busy', 503],
    [
      'a defect of ours, which is not called the fault of the instance',
      () => new TypeError('x'),
      'internal',
      500,
    ],
  ])('%s is thrown as it is', async (_, make: () => Error, code, status) => {
    for (const claim of [
      () => {
        throw make()
      },
      () => Promise.reject(make()),
    ]) {
      const front = await startFront({ port: 1 }, { claim })
      expect(await get(front.port)).toMatch(new RegExp(`^HTTP/1.1 ${status}`))
      expect(front.problems).toEqual([code])
    }
  })

  it('a target that no request line can hold is a bad request', async () => {
    const front = await startFront((await startFixedPeer(OK)).address)
    const client = rawClient(front.port, 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(await client.closed()).toMatch(/^HTTP\/1.1 400/)
    expect(front.problems).toEqual(['bad_request'])
  })

  it('a lease on the generation of another instance is misdirected, at once and later, and nothing is sent', async () => {
    const peer = await startFixedPeer(OK)
    for (const later of [false, true]) {
      const front = await startFront(peer.address, {
        claim: (lease) => {
          const other = { ...lease, instance: parseInstanceName('django1')! }
          return later ? Promise.resolve(other) : other
        },
      })
      expect(await get(front.port)).toMatch(/^HTTP\/1.1 421/)
      expect(front.problems).toEqual(['misdirected'])
      expect(front.leased).toBe(0)
    }
    expect(peer.received).toEqual([])
  })

  it('nobody listening is 502', async () => {
    const gone = await startUpstream(() => {})
    const front = await startFront({ socketPath: '/nonexistent/mux.sock' })
    expect(gone.port).toBeGreaterThan(0)
    expect(await get(front.port)).toMatch(/^HTTP\/1.1 502/)
    expect(front.problems).toEqual(['instance_unreachable'])
  })
})

describe('a kept connection that the instance closes at the moment of the next request', () => {
  /** Answers the first request of its first connection, and resets that at the second. */
  function startFickle() {
    return startRawPeer((socket, received, connection) => {
      const requests = received.split('\r\n\r\n').length - 1
      if (connection > 0 || requests === 1) {
        if (received.endsWith('\r\n\r\n') || received.endsWith('body')) socket.write(OK)
      } else socket.resetAndDestroy()
    })
  }

  it.each(['GET', 'HEAD', 'OPTIONS'])(
    'costs a %s nothing: it is sent once more on a fresh one',
    async (method) => {
      const peer = await startFickle()
      const front = await startFront(peer.address)
      await get(front.port)
      const client = rawClient(
        front.port,
        `${method} /again HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      )
      expect(await client.closed()).toMatch(/^HTTP\/1.1 200/)
      expect(peer.received[1]).toContain(`${method} /again`)
      expect(peer.received).toHaveLength(2)
      expect(front.problems).toEqual([])
    },
  )

  it('is 502 for a POST, which must not be sent twice', async () => {
    const peer = await startFickle()
    const front = await startFront(peer.address)
    await get(front.port)
    const client = rawClient(
      front.port,
      'POST /pay HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody',
    )
    expect(await client.closed()).toMatch(/^HTTP\/1.1 502/)
    expect(peer.received).toHaveLength(1)
  })

  it('is 502 when the fresh one fails as well, and so is the first request of any connection', async () => {
    const peer = await startRawPeer((socket, received, connection) => {
      if (connection === 0 && received.split('\r\n\r\n').length === 2) socket.write(OK)
      else socket.resetAndDestroy()
    })
    const front = await startFront(peer.address)
    await get(front.port)
    expect(await get(front.port)).toMatch(/^HTTP\/1.1 502/)
    expect(peer.received).toHaveLength(2)
    expect(await get(front.port)).toMatch(/^HTTP\/1.1 502/)
    expect(peer.received).toHaveLength(3)
    expect(front.leased).toBe(0)
  })

  it('costs a POST nothing when it had been closed before', async () => {
    const peer = await startFickle()
    const front = await startFront(peer.address)
    await get(front.port)
    peer.sockets[0]!.resetAndDestroy()
    const post = 'POST /pay HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody'
    expect(await rawClient(front.port, post).closed()).toMatch(/^HTTP\/1.1 200/)
    expect(peer.received[1]).toContain('POST /pay')
  })
})

it('an answer that takes its time is waited for', async () => {
  const upstream = await startUpstream((_incoming, outgoing) => {
    void delay(300).then(() => outgoing.end('late'))
  })
  const front = await startFront(upstream)
  const call = openRequest({ port: front.port, host: '127.0.0.1' })
  call.end()
  const [answer] = await once(call, 'response')
  expect(answer.statusCode).toBe(200)
})

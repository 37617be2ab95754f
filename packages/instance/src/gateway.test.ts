import { createHmac } from 'node:crypto'
import { createServer } from 'node:net'
import { Problem, proofBase, type UserName } from '@mux/contract'
import { describe, expect, it, onTestFinished } from 'vitest'
import { floorsInMemory, message, startGateway, TARGET, upgrade } from './fixtures/gateway-under-test.ts'
import { HOST, KEY, NOW, sign } from './fixtures/signing-edge.ts'
import { eventually, rawClient, startFixedPeer, startRawPeer } from './forward/fixtures/front.ts'
import { createGateway } from './gateway.ts'
import type { SpentNonce } from './nonce-memory.ts'

const OK =
  'HTTP/1.1 200 OK\r\nMux-Problem: no_instance\r\nMux_Proof: x\r\nMux-Proof: x\r\nContent-Length: 2\r\n\r\nok'

describe('an asserted request', () => {
  it('reaches its instance with what the assertion says, the host name of the client, and nothing that was for us', async () => {
    const peer = await startFixedPeer(OK)
    const { port } = await startGateway(peer)
    const answer = await rawClient(
      port,
      message('GET', sign(), [
        'X-Forwarded-For: 192.0.2.1',
        'X_Forwarded_For: 192.0.2.9',
        'X-Forwarded-For: 192.0.2.8',
        'X-Forwarded-Proto: https',
        'SCRIPT_NAME: /admin',
        'mux_user: admin',
        'MUX-Role: admin',
        'CF-Access-Client-Id: token',
        'CF-Access-Client-Secret: secret',
        'x-auth_user: admin',
        'X-Auth-User: admin',
        'Forwarded: for=x',
        'Transfer_Encoding: chunked',
        'TE: gzip',
        'X-App: 1',
      ]),
    ).closed()
    expect(answer).toMatch(/^HTTP\/1.1 200 OK[^]*ok$/)
    expect(answer.match(/^mux-[^:]+/gim)).toEqual(['mux-proof'])
    expect(peer.received[0]!.split('\r\n').slice(0, -2)).toEqual([
      `GET ${TARGET} HTTP/1.1`,
      'host: notes.example.com',
      'connection: keep-alive',
      'X-App: 1',
      'X-Forwarded-Host: notes.example.com',
      'X-Forwarded-For: 192.0.2.1',
      'X-Forwarded-Proto: https',
      'X-Request-Id: r1',
      'Mux-Instance: django2',
      'Mux-User: brian',
      'X-Auth-User: brian',
    ])
  })

  it('is answered with a proof that this host has answered it, whatever the answer; what is no request of its edge has none', async () => {
    const peer = await startFixedPeer(OK)
    const { port } = await startGateway(peer)
    const proofs = async (request: string) =>
      (await rawClient(port, request).closed()).match(/(?<=^mux-proof: ).*(?=\r)/gim)
    const proofOf = (created: number) => createHmac('sha256', KEY).update(proofBase(created)).digest('base64')
    expect(await proofs(message('GET', sign()))).toEqual([proofOf(NOW)])
    const earlier = sign({ parameters: { created: NOW - 60, expires: NOW } })
    expect(await proofs(message('GET', earlier))).toEqual([proofOf(NOW - 60)])
    expect(proofOf(NOW - 60)).not.toBe(proofOf(NOW))
    expect(await proofs(upgrade(sign()))).toEqual([proofOf(NOW)])
    const stopped = await startGateway(peer, {
      source: {
        claim: () => {
          throw new Problem('instance_stopped')
        },
      },
    })
    const answer = await rawClient(stopped.port, message('GET', sign())).closed()
    expect(answer).toContain(`\r\nmux-proof: ${proofOf(NOW)}\r\n`)
    expect(await proofs(message('GET', sign(), ['Content-Length: x']))).toBeNull()
    expect(await proofs(message('GET', sign({ key: new Uint8Array(32) })))).toBeNull()
    expect(await proofs(message('GET', {}))).toBeNull()
  })

  it('reaches its instance without any spelling of a name that only mux may send', async () => {
    const peer = await startFixedPeer(OK)
    const { port } = await startGateway(peer)
    const names = [
      'mux-role',
      'x-remote-user',
      'remote-user',
      'x-auth-user',
      'x-forwarded-user',
      'x-real-ip',
      'x-host',
    ]
    // The assertion stands under these: another line of one would be a second one.
    const asserted = ['mux-user', 'mux-instance', 'x-request-id', 'x-forwarded-host', 'signature-input']
    const folding = '!#$%&*+.^_`|~'
      .split('')
      .flatMap((sign) =>
        [...names, ...asserted].flatMap((name) => [
          name.replace('-', sign),
          name.replaceAll('-', sign).toUpperCase(),
        ]),
      )
    const forged = [...names, ...folding].map((name) => `${name}: admin`)
    const nominating = ['Connection: mux-user, x-auth-user, x-forwarded-host', 'Trailer: mux-user']
    for (const request of [
      message('GET', sign(), forged),
      message('GET', sign(), [...forged, ...nominating]),
      `${upgrade(sign()).slice(0, -2)}${forged.join('\r\n')}\r\n\r\n`,
    ])
      expect(await rawClient(port, request).closed()).toMatch(/^HTTP\/1.1 200/)
    const received = peer.received.join('')
    expect(received).not.toContain('admin')
    for (const line of ['Mux-User: brian', 'X-Auth-User: brian', 'Mux-Instance: django2'])
      expect(received.split('\r\n').filter((found) => found === line)).toHaveLength(3)
  })

  it('of a public route tells the instance of no user, whatever else it says', async () => {
    const peer = await startFixedPeer(OK)
    const { port } = await startGateway(peer)
    await rawClient(port, message('GET', sign({ user: undefined }), ['X-Auth-User: admin'])).closed()
    expect(peer.received[0]).not.toMatch(/user/i)
  })

  it.each(['POST', 'PUT', 'DELETE', 'PATCH'])(
    '%s is carried out once, and refused when it is replayed',
    async (method) => {
      const peer = await startFixedPeer(OK)
      const { port, log } = await startGateway(peer)
      const request = message(method, sign({ method }), ['Content-Length: 4'], 'body')
      expect(await rawClient(port, request).closed()).toMatch(/^HTTP\/1.1 200/)
      expect(await rawClient(port, request).closed()).toMatch(/^HTTP\/1.1 403[^]*assertion_invalid/)
      expect(peer.received).toHaveLength(1)
      expect(log).toEqual([{ event: 'assertion_refused', reason: 'replayed', request: 'r1' }])
    },
  )

  it('is carried out once also by a host that was started again meanwhile', async () => {
    const kept: SpentNonce[] = []
    const nonces = { spent: () => kept, note: (used: readonly SpentNonce[]) => void kept.push(...used) }
    const peer = await startFixedPeer(OK)
    const request = message('POST', sign({ method: 'POST' }), ['Content-Length: 4'], 'body')
    const before = await startGateway(peer, { nonces })
    expect(await rawClient(before.port, request).closed()).toMatch(/^HTTP\/1.1 200/)
    await before.gateway.close(1000)
    const { port } = await startGateway(peer, { nonces })
    expect(await rawClient(port, request).closed()).toMatch(/^HTTP\/1.1 403[^]*assertion_invalid/)
    expect(peer.received).toHaveLength(1)
  })

  it('reaches its instance with each of three thousand headers', async () => {
    const peer = await startFixedPeer(OK)
    const { port } = await startGateway(peer)
    const many = Array.from({ length: 3000 }, (_, i) => `X-${i}: 1`)
    expect(await rawClient(port, message('GET', sign(), many)).closed()).toMatch(/^HTTP\/1.1 200/)
    expect(peer.received.join('').match(/^X-\d+: 1\r$/gm)).toHaveLength(3000)
  })

  it('GET may be repeated', async () => {
    const { port } = await startGateway(await startFixedPeer(OK))
    const request = message('GET', sign())
    for (let round = 0; round < 3; round++) {
      expect(await rawClient(port, request).closed()).toMatch(/^HTTP\/1.1 200/)
    }
  })

  it('that expects to be asked for its body is asked when it has been verified', async () => {
    const { port } = await startGateway(await startFixedPeer(OK))
    const more = ['Content-Length: 4', 'Expect: 100-continue']
    const good = rawClient(port, message('POST', sign({ method: 'POST' }), more))
    await good.until(/^HTTP\/1.1 100 Continue\r\n\r\n/)
    good.socket.write('body')
    expect(await good.closed()).toContain('HTTP/1.1 200')
    expect(await rawClient(port, message('POST', {}, more)).closed()).toMatch(/^HTTP\/1.1 403/)
  })
})

describe('without a valid assertion', () => {
  const attempts: [string, string][] = [
    ...['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE', 'PURGE'].map((method): [string, string] => [
      method,
      message(method, {}),
    ]),
    ['a session of the edge', message('GET', { cookie: '__Host-mux=v1.W10.x' })],
    ['a password', message('GET', { authorization: 'Basic YnJpYW46YnJpYW4tcGFzc3dvcmQ=' })],
    ['HTTP/1.0', message('GET', {}).replace('HTTP/1.1', 'HTTP/1.0')],
    ['an upgrade', upgrade({})],
    ['an upgrade with the assertion of another path', upgrade(sign({ target: '/other' }))],
    ['the assertion of another method', message('POST', sign())],
    ['the assertion of another user', message('GET', { ...sign(), 'mux-user': 'graham' })],
    ['the key of another host', message('GET', sign({ key: new Uint8Array(32) }))],
  ]

  it('every attempt gets the same answer, and the instance sees none of them', async () => {
    const peer = await startFixedPeer(OK)
    let claims = 0
    const { port } = await startGateway(peer, {
      source: {
        claim: () => {
          claims++
          throw new Problem('internal')
        },
      },
    })
    const answers = new Set<string>()
    for (const [, request] of attempts) {
      const answer = await rawClient(port, request).closed()
      expect(answer).toMatch(/^HTTP\/1.1 403 Forbidden\r\n[^]*Mux-Problem: assertion_invalid/)
      if (!request.startsWith('HEAD')) answers.add(answer.replace(/Date: .*\r\n/, ''))
    }
    expect(answers.size).toBe(1)
    expect([...answers][0]).toContain('Cache-Control: no-store')
    expect(claims).toBe(0)
    expect(peer.received).toEqual([])
  })

  it('the log says why, and names skewed clocks', async () => {
    const { port, log } = await startGateway(await startFixedPeer(OK), { now: () => (NOW + 600) * 1000 })
    await rawClient(port, message('GET', sign())).closed()
    expect(log).toEqual([{ event: 'assertion_refused', reason: 'clock skew' }])
  })

  it('what is sent behind a request that was refused is neither carried out nor answered', async () => {
    const peer = await startFixedPeer(OK)
    const { port } = await startGateway(peer)
    const keep = (request: string) => request.replace('Connection: close', 'Connection: keep-alive')
    const odd = message('POST', sign({ method: 'POST' }), ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n')
    for (const refused of [message('GET', {}), odd]) {
      const answers = await rawClient(port, keep(refused) + keep(message('GET', sign()))).closed()
      expect(answers.match(/HTTP\/1.1 \d+/g)).toHaveLength(1)
      expect(answers).toMatch(/^HTTP\/1.1 40[03]/)
    }
    expect(peer.received).toEqual([])
  })

  it('three requests sent ahead are each judged by their own assertion', async () => {
    const peer = await startFixedPeer(OK)
    const { port } = await startGateway(peer)
    const keep = (request: string) => request.replace('Connection: close', 'Connection: keep-alive')
    const client = rawClient(
      port,
      keep(message('GET', sign())) + keep(message('GET', sign({ user: 'graham' }))) + message('GET', {}),
    )
    const answers = await client.closed()
    expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 403'])
    const sent = peer.received.join('')
    expect(sent.match(/Mux-User: \w+/g)!.sort()).toEqual(['Mux-User: brian', 'Mux-User: graham'])
  })
})

describe('a request that is not for this host', () => {
  it('is misdirected when nobody here has the instance', async () => {
    const { port } = await startGateway(await startFixedPeer(OK), {
      source: {
        claim: () => {
          throw new Problem('instance_undefined')
        },
      },
    })
    expect(await rawClient(port, message('GET', sign())).closed()).toMatch(
      /^HTTP\/1.1 421 Misdirected Request\r\n[^]*Mux-Problem: misdirected\r\n[^]*"request_id":"r1"/,
    )
  })

  it.each([
    [7, 200],
    [6, 200],
    [8, 421],
  ])(
    'is misdirected when version %i of the user is known here and 7 was asked with: %i',
    async (known, status) => {
      const knownVersion = (user: UserName) => Promise.resolve(user === 'brian' ? known : undefined)
      const { port } = await startGateway(await startFixedPeer(OK), { knownVersion })
      expect(await rawClient(port, message('GET', sign())).closed()).toMatch(
        new RegExp(`^HTTP/1.1 ${status}`),
      )
    },
  )
})

describe('what goes wrong behind the gateway', () => {
  it('is a problem with its code in a header and the request id in its body', async () => {
    const { port } = await startGateway(await startFixedPeer(OK), {
      source: { claim: () => Promise.reject(new Problem('instance_busy', { retryAfter: 3 })) },
    })
    const answer = await rawClient(port, message('GET', sign())).closed()
    expect(answer).toMatch(/^HTTP\/1.1 503 [^]*Retry-After: 3\r\n[^]*Mux-Problem: instance_busy\r\n/)
    expect(answer).toContain('"request_id":"r1"')
  })

  it('is logged when it is a defect, and not told', async () => {
    const { port, log } = await startGateway(await startFixedPeer(OK), {
      source: {
        claim: () => {
          throw new TypeError('secret detail')
        },
      },
    })
    const answer = await rawClient(port, message('GET', sign())).closed()
    expect(answer).toMatch(/^HTTP\/1.1 500/)
    expect(answer).not.toContain('secret')
    expect(log).toMatchObject([{ event: 'request_failed', request: 'r1' }])
  })
})

describe('an upgrade', () => {
  const SWITCH =
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nMux-X: 1\r\n\r\n'

  it('with an assertion is joined to its instance, and its assertion cannot be used again', async () => {
    const peer = await startRawPeer((socket, received) => {
      if (received.endsWith('\r\n\r\n')) socket.write(SWITCH)
      else socket.write('pong')
    })
    const { port } = await startGateway(peer)
    const request = upgrade(sign())
    const client = rawClient(port, request)
    await client.until(/^HTTP\/1.1 101 [^]*\r\n\r\n$/)
    expect(client.received).not.toContain('Mux-X')
    client.socket.write('ping')
    await client.until(/pong$/)
    expect(peer.received[0]).toMatch(/host: notes.example.com[^]*Mux-User: brian/i)
    expect(await rawClient(port, request).closed()).toMatch(/^HTTP\/1.1 403/)
  })

  it.each(['Upgrade: websocket', 'Upgrade: h2c'])(
    'to "%s", sent ahead behind a request, waits for the answer to that, and ends nothing else',
    async (line) => {
      const answers: (() => void)[] = []
      const peer = await startRawPeer((socket, received) => {
        if (received.includes('pgrade')) socket.write(SWITCH)
        else answers.push(() => socket.write(OK))
      })
      const { port } = await startGateway(peer)
      const first = message('GET', sign()).replace('Connection: close', 'Connection: keep-alive')
      const client = rawClient(port, first + upgrade(sign()).replace('Upgrade: websocket', line))
      await eventually(
        () => answers.length === 1,
        () => 'not asked',
      )
      expect(client.received).toBe('')
      answers[0]!()
      await client.until(/^HTTP\/1.1 200 [^]*ok(?=HTTP\/1.1 (?:101|400))/)
      client.socket.destroy()
      const refused = message('GET', {}) + upgrade(sign())
      expect(await rawClient(port, refused).closed()).toMatch(/^HTTP\/1.1 403(?![^]*HTTP\/1.1)/)
    },
  )

  it('to anything but a WebSocket is refused', async () => {
    const peer = await startFixedPeer(OK)
    const { port } = await startGateway(peer)
    const request = upgrade(sign()).replace('Upgrade: websocket', 'Upgrade: h2c')
    expect(await rawClient(port, request).closed()).toMatch(/^HTTP\/1.1 400[^]*bad_request/)
    expect(peer.received).toEqual([])
  })
})

describe('limits', () => {
  it('of requests under way hold for one user and for sockets, and not for another', async () => {
    const answers: (() => void)[] = []
    const peer = await startRawPeer((socket, received) => {
      if (received.endsWith('\r\n\r\n')) answers.push(() => socket.write(OK))
    })
    const { port } = await startGateway(peer, { limits: { requests: 1 } })
    const first = rawClient(port, message('GET', sign()))
    await eventually(
      () => answers.length === 1,
      () => 'not asked',
    )
    const refused = /^HTTP\/1.1 429 [^]*Retry-After: 1\r\n[^]*Mux-Problem: too_many_requests\r\n/
    expect(await rawClient(port, message('GET', sign())).closed()).toMatch(refused)
    expect(await rawClient(port, upgrade(sign())).closed()).toMatch(refused)
    const other = rawClient(port, message('GET', sign({ user: 'graham' })))
    await eventually(
      () => answers.length === 2,
      () => 'not asked for the other',
    )
    for (const answer of answers) answer()
    for (const client of [first, other]) expect(await client.closed()).toMatch(/^HTTP\/1.1 200/)
    const next = rawClient(port, message('GET', sign()))
    await eventually(
      () => answers.length === 3,
      () => 'not asked again',
    )
    answers[2]!()
    expect(await next.closed()).toMatch(/^HTTP\/1.1 200/)
  })

  it('of the time in which nothing of an answer is taken end it, and ask the instance for no more', async () => {
    const peer = await startRawPeer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
      const write = () => {
        while (socket.write(Buffer.alloc(64 * 1024)));
      }
      socket.on('drain', write)
      write()
    })
    const { port, log } = await startGateway(peer, { limits: { body: 200 } })
    const { socket } = rawClient(port)
    socket.removeAllListeners('data').pause()
    socket.write(message('GET', sign()))
    await eventually(
      () => peer.sockets[0]?.closed === true,
      () => 'still open',
    )
    expect(log).toEqual([{ event: 'clients_stalled', connections: 1 }])
  })
})

describe('closing', () => {
  it('lets what is under way end, says that the connection does, and takes nothing new', async () => {
    const answers: (() => void)[] = []
    const peer = await startRawPeer((socket, received) => {
      if (received.endsWith('\r\n\r\n')) answers.push(() => socket.write(OK))
    })
    const { port, gateway } = await startGateway(peer)
    const idle = rawClient(port)
    const busy = rawClient(
      port,
      message('GET', sign()).replace('Connection: close', 'Connection: keep-alive'),
    )
    await eventually(
      () => answers.length === 1,
      () => 'not asked',
    )
    const closed = gateway.close(60_000)
    await idle.closed()
    answers[0]!()
    expect(await busy.closed()).toMatch(/200 OK[^]*Connection: close[^]*ok$/)
    await closed
    expect(await rawClient(port).closed()).toBe('')
  })

  it('ends what does not end by itself', async () => {
    const { port, gateway } = await startGateway(await startRawPeer(() => {}))
    const stuck = rawClient(port, message('GET', sign()))
    await gateway.close(100)
    expect(await stuck.closed()).toBe('')
  })
})

it('an address that is taken is an error of listen', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void other.close())
  const { port } = other.address() as { port: number }
  const gateway = createGateway({
    host: HOST,
    keys: () => [],
    floors: floorsInMemory(),
    holding: () => undefined,
    source: { claim: () => Promise.reject(new Problem('internal')) },
    identityHeader: 'X-Auth-User',
    now: Date.now,
    log: () => {},
  })
  await expect(gateway.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
})

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Problem } from '@mux/contract'
import { describe, expect, it } from 'vitest'
import {
  eventually,
  type RawPeer,
  rawClient,
  startFixedPeer,
  startFront,
  startRawPeer,
  untilStill,
} from './fixtures/front.ts'

const ASK =
  'GET /ws?a=%zz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\nCookie: b=2\r\n\r\n'
const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: a=1\r\n\r\n'
const HELLO = '\x81\x05hello'
const RESTART = '\x88\x02\x03\xf4'

/** An instance that switches, says `greeting` in the same packet, and then does what it is told. */
function startSwitching(
  greeting = '',
  then: (socket: Socket, data: string) => void = () => {},
): Promise<RawPeer> {
  return startRawPeer((socket, received) => {
    const [, data] = received.split('\r\n\r\n')
    if (data === undefined) return
    if (socket.listenerCount('mux') === 0) {
      socket.on('mux', () => {})
      socket.write(`${SWITCH}${greeting}`, 'latin1')
    }
    if (data !== '') then(socket, data)
  })
}

async function open(peer: RawPeer) {
  const front = await startFront(peer.address)
  const client = rawClient(front.port, ASK)
  await client.until(/101[^]*\r\n\r\n/)
  return { front, client }
}

const settled = (front: { open: number; leased: number }) =>
  eventually(
    () => front.open === 0 && front.leased === 0,
    () => `left: ${front.open} open, ${front.leased} leased`,
  )

const closedIn = (peer: RawPeer) =>
  eventually(
    () => peer.sockets[0]!.destroyed,
    () => 'the instance still has its connection',
  )

describe('the handshake', () => {
  it('passes with target, protocol, key and cookies, both ways, and with the first bytes on either side', async () => {
    const peer = await startSwitching(HELLO)
    const front = await startFront(peer.address)
    const client = rawClient(front.port, `${ASK}early`)
    expect(await client.until(/hello$/)).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        `Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: a=1\r\n\r\n${HELLO}`,
    )
    await eventually(
      () => peer.received[0]!.endsWith('\r\n\r\nearly'),
      () => peer.received[0]!,
    )
    const [line, ...headers] = peer.received[0]!.split('\r\n\r\n')[0]!.split('\r\n')
    expect(line).toBe('GET /ws?a=%zz HTTP/1.1')
    expect(headers).toEqual([
      'Host: a',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Protocol: chat',
      'Cookie: b=2',
      'Connection: Upgrade',
      'Upgrade: websocket',
    ])
  })

  it('that is refused gives the client the refusal, whole, and the connection ends', async () => {
    const peer = await startFixedPeer(
      'HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 4\r\n\r\nnope',
    )
    const front = await startFront(peer.address)
    const answer = await rawClient(front.port, ASK).closed()
    expect(answer).toMatch(
      /^HTTP\/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 4\r\n[^]*Connection: close\r\n\r\nnope$/,
    )
    await settled(front)
  })

  it('that is refused with half an answer is cut off visibly', async () => {
    const peer = await startRawPeer((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
    })
    const front = await startFront(peer.address)
    expect(await rawClient(front.port, ASK).closed()).not.toMatch(/\r\n0\r\n/)
    await settled(front)
  })

  it.each([
    ['closes', ''],
    ['speaks no HTTP', '\x81\x05hello'],
    ['switches to another protocol', SWITCH.replace('websocket', 'h2c')],
    ['switches without a name', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ])('is 502 when the instance %s', async (_, answer) => {
    const peer = await startRawPeer((socket) => {
      socket.end(answer, 'latin1')
    })
    const front = await startFront(peer.address)
    expect(await rawClient(front.port, ASK).closed()).toMatch(/^HTTP\/1.1 502/)
    expect(front.problems).toEqual(['instance_unreachable'])
    await settled(front)
  })

  it.each([
    ['by POST', ASK.replace('GET', 'POST')],
    ['with a body', ASK.replace('Host: a', 'Host: a\r\nContent-Length: 5')],
    ['with a chunked body', ASK.replace('Host: a', 'Host: a\r\nTransfer-Encoding: chunked')],
  ])('is a bad request %s, and the instance does not see it', async (_, ask) => {
    const peer = await startSwitching()
    const front = await startFront(peer.address)
    expect(await rawClient(front.port, ask).closed()).toMatch(/^HTTP\/1.1 400/)
    expect(peer.received).toEqual([])
    await settled(front)
  })

  it.each(['destroy', 'end'] as const)(
    'of a client that leaves (%s) while it is held frees its place',
    async (leave) => {
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
      const client = rawClient(front.port, ASK)
      await eventually(
        () => front.open === 1,
        () => 'not held',
      )
      client.socket[leave]()
      await settled(front)
      expect(aborted).toBe(true)
      expect(front.problems).toEqual([])
    },
  )

  it('that is waited for ends with the client, and with the generation', async () => {
    const peer = await startRawPeer(() => {})
    const front = await startFront(peer.address)
    const leaver = rawClient(front.port, ASK)
    const stayer = rawClient(front.port, ASK)
    await eventually(
      () => peer.sockets.length === 2,
      () => 'not asked',
    )
    leaver.socket.destroy()
    await eventually(
      () => front.open === 1 && peer.sockets.some((socket) => socket.destroyed),
      () => 'still asked',
    )
    front.end()
    expect(await stayer.closed()).toMatch(/^HTTP\/1.1 502/)
    await settled(front)
  })

  it('throws what the claim throws', async () => {
    const front = await startFront({ port: 1 }, { claim: () => Promise.reject(new Problem('instance_busy')) })
    expect(await rawClient(front.port, ASK).closed()).toMatch(/^HTTP\/1.1 503/)
  })
})

describe('an open WebSocket', () => {
  it('carries bytes both ways until both sides have ended', async () => {
    const peer = await startSwitching('', (socket, data) => socket.write(data.slice(-3), 'latin1'))
    const { front, client } = await open(peer)
    client.socket.write('abc')
    await client.until(/abc$/)
    expect(front.leased).toBe(1)
    client.socket.end()
    await client.closed()
    await settled(front)
  })

  it('lets one side go on when the other has ended its own', async () => {
    const peer = await startSwitching()
    const { front, client } = await open(peer)
    peer.sockets[0]!.removeAllListeners('end')
    client.socket.end('bye')
    await once(peer.sockets[0]!, 'end')
    peer.sockets[0]!.end('and more')
    expect(await client.closed()).toMatch(/and more$/)
    await settled(front)
  })

  it.each([
    ['the client', 'resets', (client: Socket) => client.resetAndDestroy()],
    ['the client', 'vanishes', (client: Socket) => client.destroy()],
    ['the instance', 'resets', (_: Socket, instance: Socket) => instance.resetAndDestroy()],
    ['the instance', 'vanishes', (_: Socket, instance: Socket) => instance.destroy()],
  ])('ends on both sides when %s %s', async (_side, _how, act) => {
    const peer = await startSwitching(HELLO)
    const { front, client } = await open(peer)
    act(client.socket, peer.sockets[0]!)
    if (!client.socket.destroyed) {
      await client.closed()
      client.socket.end()
    }
    await settled(front)
    await closedIn(peer)
  })

  it('does not hold what a slow reader does not take', async () => {
    let written = 0
    const peer = await startSwitching('', (socket) => {
      const chunk = Buffer.concat([Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Buffer.alloc(65_536)])
      const more = (): void => {
        while (written < 200 * 1024 * 1024) {
          written += chunk.length
          if (!socket.write(chunk)) return
        }
      }
      socket.on('drain', more)
      more()
    })
    const { client } = await open(peer)
    client.socket.pause()
    client.socket.write('go')
    await untilStill(() => written)
    expect(written).toBeLessThan(32 * 1024 * 1024)
  })
})

describe('when its user is shut out', () => {
  it('a WebSocket is told 1008 and closed on both sides', async () => {
    const peer = await startSwitching(HELLO)
    const { front, client } = await open(peer)
    await client.until(/hello$/)
    front.revoke()
    expect(await client.closed()).toMatch(new RegExp(`${HELLO}\x88\x02\x03\xf0$`))
    client.socket.end()
    await settled(front)
    await closedIn(peer)
  })

  it('one that is still held is closed, and not opened any more', async () => {
    const front = await startFront(
      { port: 1 },
      {
        claim: (lease, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              lease.release()
              reject(signal.reason as Error)
            })
          }),
      },
    )
    const client = rawClient(front.port, ASK)
    await eventually(
      () => front.open === 1,
      () => 'not held',
    )
    front.revoke()
    expect(await client.closed()).toBe('')
    await settled(front)
  })
})

describe('when the time of the generation is over', () => {
  it('a WebSocket is told 1012 and closed on both sides', async () => {
    const peer = await startSwitching(HELLO)
    const { front, client } = await open(peer)
    await client.until(/hello$/)
    front.end()
    expect(await client.closed()).toMatch(new RegExp(`${HELLO}${RESTART}$`))
    client.socket.end()
    await settled(front)
    await closedIn(peer)
  })

  it('the frame under way is finished first', async () => {
    const peer = await startSwitching('\x81\x05he')
    const { front, client } = await open(peer)
    await client.until(/he$/)
    front.end()
    await delay(50)
    peer.sockets[0]!.write('llo\x81\x03not')
    expect(await client.closed()).toMatch(new RegExp(`${HELLO}${RESTART}$`))
    client.socket.end()
    await settled(front)
  })

  it('a frame that is never finished, and a client that never leaves, end after two seconds', async () => {
    const peer = await startSwitching('\x81\x05he')
    const { front, client } = await open(peer)
    const other = rawClient(front.port, ASK)
    await other.until(/he$/)
    peer.sockets[1]!.write('llo')
    await other.until(/hello$/)
    const start = performance.now()
    front.end()
    expect(await client.closed()).toMatch(/he$/)
    expect(await other.closed()).toMatch(new RegExp(`${RESTART}$`))
    await settled(front)
    expect(performance.now() - start).toBeGreaterThan(1_990)
  })
})

describe('an instance that reads nothing of a WebSocket', () => {
  const RESPONSE_LIMIT = 300

  async function openDeaf() {
    const peer = await startSwitching('', (socket) => socket.pause())
    const front = await startFront(peer.address, { responseLimit: RESPONSE_LIMIT })
    const client = rawClient(front.port, ASK)
    await client.until(/101[^]*\r\n\r\n/)
    return { front, client, peer }
  }

  it('is left after its time for an answer, although the client has left unseen before', async () => {
    const { front, client } = await openDeaf()
    client.socket.write(Buffer.alloc(16 * 1024 * 1024))
    await delay(RESPONSE_LIMIT / 2)
    client.socket.destroy()
    await settled(front)
  })

  it('is not left when there is nothing to read', async () => {
    const { front, client, peer } = await openDeaf()
    await delay(3 * RESPONSE_LIMIT)
    peer.sockets[0]!.write('still here')
    await client.until(/still here/)
    expect(front.open).toBe(1)
  })
})

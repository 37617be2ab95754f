import { parseInstanceName, parseUserName, Problem } from '@mux/contract'
import { describe, expect, it, onTestFinished } from 'vitest'
import { message, startGateway, upgrade } from './fixtures/gateway-under-test.ts'
import { sign } from './fixtures/signing-edge.ts'
import { KeptConnections } from './forward/kept-connections.ts'
import { eventually, rawClient, startFixedPeer, startRawPeer } from './forward/fixtures/front.ts'
import type { Lease } from './lease.ts'

const BRIAN = parseUserName('brian')!
const GRAHAM = parseUserName('graham')!
const DJANGO2 = parseInstanceName('django2')!
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const WANTED_8 = /^HTTP\/1.1 421 [^]*\r\nMux-Problem: misdirected\r\nMux-Version: 8\r\n/

/** As an edge sends it that decided by this version of the user's record. */
const by = (version: number, user = 'brian') => message('GET', sign({ version, user }))

describe('a version that the operator has told the host of', () => {
  it('is the least that is good from then on, and never goes back; the refusal says which it is', async () => {
    const { port, gateway } = await startGateway(await startFixedPeer(OK))
    const answer = (request: string) => rawClient(port, request).closed()
    expect(gateway.known([{ name: BRIAN, version: 8 }])).toEqual({ raised: 1, closed: 0 })
    expect(gateway.known([{ name: BRIAN, version: 7 }])).toEqual({ raised: 0, closed: 0 })
    expect(await answer(by(7))).toMatch(WANTED_8)
    expect(await answer(upgrade(sign({ version: 7 })))).toMatch(WANTED_8)
    for (const request of [by(8), by(9), by(1, 'graham'), message('GET', sign({ user: undefined }))])
      expect(await answer(request)).toMatch(/^HTTP\/1.1 200/)
  })

  it('is named by a host that has the record itself, too; one that lacks the instance names none', async () => {
    const peer = await startFixedPeer(OK)
    const own = await startGateway(peer, { knownVersion: () => Promise.resolve(8) })
    expect(await rawClient(own.port, by(7)).closed()).toMatch(WANTED_8)
    const other = await startGateway(peer, {
      source: {
        claim: () => {
          throw new Problem('instance_undefined')
        },
      },
    })
    const answer = await rawClient(other.port, by(7)).closed()
    expect(answer).toMatch(/^HTTP\/1.1 421/)
    expect(answer).not.toMatch(/mux-version/i)
  })

  it('ends WebSockets and streams of events that began by an older one, and leaves the others', async () => {
    const peer = await startRawPeer((socket, received) => {
      if (/pgrade/.test(received))
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
      else socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n')
    })
    const { port, gateway } = await startGateway(peer)
    const open = (request: (version: number, user: string) => string) => ({
      older: rawClient(port, request(7, 'brian')),
      newer: rawClient(port, request(8, 'brian')),
      other: rawClient(port, request(7, 'graham')),
    })
    const sockets = open((version, user) => upgrade(sign({ version, user })))
    const streams = open((version, user) => by(version, user))
    const all = [...Object.values(sockets), ...Object.values(streams)]
    for (const client of all) await client.until(/\r\n\r\n/)
    expect(gateway.known([{ name: BRIAN, version: 8 }])).toEqual({ raised: 1, closed: 2 })
    // 1008 in a Close frame (RFC 6455 section 5.5.1).
    await eventually(
      () => sockets.older.received.endsWith('\r\n\r\n\x88\x02\x03\xf0'),
      () => JSON.stringify(sockets.older.received),
    )
    sockets.older.socket.end()
    await Promise.all([sockets.older.closed(), streams.older.closed()])
    for (const client of all.slice(1, 3).concat(all.slice(4))) expect(client.socket.destroyed).toBe(false)
  })

  it('lets an answer that is under way come to its end, unless nobody may have it any more', async () => {
    const answers: (() => void)[] = []
    const peer = await startRawPeer((socket, received) => {
      if (received.endsWith('\r\n\r\n')) answers.push(() => socket.write(OK))
    })
    const { port, gateway } = await startGateway(peer)
    const clients = [rawClient(port, by(7)), rawClient(port, by(7, 'graham'))]
    await eventually(
      () => answers.length === 2,
      () => 'not asked',
    )
    const users = [
      { name: BRIAN, version: 8 },
      { name: GRAHAM, version: 8, gone: true },
    ]
    expect(gateway.known(users)).toEqual({ raised: 2, closed: 1 })
    expect(await clients[1]!.closed()).toBe('')
    for (const answer of answers) answer()
    expect(await clients[0]!.closed()).toMatch(/^HTTP\/1.1 200/)
  })

  it('refuses who has waited for an instance meanwhile, and takes no place in it for them', async () => {
    const peer = await startFixedPeer(OK)
    const connections = new KeptConnections(peer.address)
    onTestFinished(() => connections.destroy())
    const leased = Promise.withResolvers<Lease>()
    let claims = 0
    let released = 0
    const claim = () => {
      claims++
      return leased.promise
    }
    const { port, gateway } = await startGateway(peer, { source: { claim } })
    const client = rawClient(port, by(7))
    await eventually(
      () => claims === 1,
      () => 'not asked',
    )
    gateway.known([{ name: BRIAN, version: 8 }])
    leased.resolve({
      instance: DJANGO2,
      connections,
      address: peer.address,
      ended: new AbortController().signal,
      leaving: false,
      exited: new Promise(() => {}),
      responseLimit: null,
      release: () => released++,
    })
    expect(await client.closed()).toMatch(WANTED_8)
    expect(peer.received).toEqual([])
    expect(released).toBe(1)
  })
})

describe('an instance that is held', () => {
  async function start(limits = { queue: 10, hold: 60_000 }) {
    const peer = await startFixedPeer(OK)
    const started = await startGateway(peer, { holding: () => limits })
    return { ...started, peer }
  }

  it('gets the requests that come meanwhile when it is released, all of them, and no other waits', async () => {
    const { port, gateway, peer } = await start()
    gateway.hold(DJANGO2, 60_000)
    gateway.hold(parseInstanceName('django1')!, 60_000)
    const held = Array.from({ length: 10 }, () => rawClient(port, message('GET', sign())))
    const beyond = rawClient(port, message('GET', sign()))
    const late = await Promise.race([beyond, ...held].map((client) => client.closed()))
    expect(late).toMatch(/^HTTP\/1.1 503 [^]*Retry-After: \d[^]*Mux-Problem: instance_busy/)
    expect(peer.received).toEqual([])
    expect(gateway.release(DJANGO2)).toBe(10)
    expect(gateway.release(DJANGO2)).toBe(0)
    const answers = await Promise.all([beyond, ...held].map((client) => client.closed()))
    expect(answers.filter((text) => text.startsWith('HTTP/1.1 200'))).toHaveLength(10)
  })

  it('is released when the time of the hold is over, and when the gateway is to end', async () => {
    const { port, gateway } = await start()
    gateway.hold(DJANGO2, 200)
    expect(await rawClient(port, message('GET', sign())).closed()).toMatch(/^HTTP\/1.1 200/)
    gateway.hold(DJANGO2, 60_000)
    const client = rawClient(port, message('GET', sign()))
    await eventually(
      () => client.socket.bytesWritten > 0,
      () => 'not sent',
    )
    await rawClient(port, 'GET / HTTP/1.0\r\n\r\n').closed()
    const settled = gateway.settle(60_000)
    expect(await client.closed()).toMatch(/^HTTP\/1.1 200/)
    await settled
  })

  it('keeps nobody longer than its limits say, and a person who opens a page hardly at all', async () => {
    const { port, gateway } = await start({ queue: 10, hold: 1_700 })
    gateway.hold(DJANGO2, 60_000)
    const navigation = message('GET', sign(), ['Sec-Fetch-Mode: navigate', 'Accept: text/html'])
    const [script, page] = await Promise.all(
      [message('GET', sign()), navigation].map((request) => rawClient(port, request).closed()),
    )
    expect(script).toMatch(/^HTTP\/1.1 504 [^]*instance_start_timeout/)
    expect(page).toMatch(/^HTTP\/1.1 503 [^]*instance_starting[^]*moved to another host/)
  })

  it('that has moved meanwhile refuses with the version by which it is found', async () => {
    const { port, gateway, peer } = await start()
    gateway.hold(DJANGO2, 60_000)
    const client = rawClient(port, by(7))
    const left = rawClient(port, by(7))
    await eventually(
      () => client.socket.bytesWritten > 0 && left.socket.bytesWritten > 0,
      () => 'not sent',
    )
    await rawClient(port, 'GET / HTTP/1.0\r\n\r\n').closed()
    left.socket.destroy()
    gateway.known([{ name: BRIAN, version: 8 }])
    gateway.release(DJANGO2)
    expect(await client.closed()).toMatch(WANTED_8)
    expect(peer.received).toEqual([])
  })
})

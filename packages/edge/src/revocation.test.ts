import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import { parseUserName } from '@mux/contract'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { browse } from './fixtures/raw-client.ts'
import { createToken } from './tokens.ts'

/** How soon what is open is closed, in milliseconds, as docs/http.md promises. */
const PROMISED = 1_000

let under: EdgeUnderTest
beforeEach(async () => {
  under = await startEdge()
  under.registry.addUser('graham', 'django1')
  under.registry.addUser('brian', 'django2')
  under.host.behaviour = async (_incoming, outgoing, order) => {
    const type = order.target === '/events' ? 'text/event-stream' : 'text/plain'
    outgoing.writeHead(200, order.answerHeaders(['Content-Type', type]))
    outgoing.write('data: 1\n\n')
    await once(outgoing, 'close')
  }
})
afterEach(() => under.edge.close(0))

async function stream(user: string, path: string): Promise<IncomingMessage> {
  const call = get(under.url + path, { headers: { authorization: basic(user, PASSWORD) } })
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  answer.on('error', () => {})
  await once(answer, 'data')
  return answer
}

async function webSocket(
  user: string,
  credential = `Authorization: ${basic(user, PASSWORD)}`,
): Promise<Socket> {
  const socket = connect(under.port, '127.0.0.1')
  socket.on('error', () => {})
  const lines = ['GET / HTTP/1.1', 'Host: a', credential]
  const upgrade = [
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ]
  socket.write(`${[...lines, ...upgrade].join('\r\n')}\r\n\r\n`)
  const [head] = (await once(socket, 'data')) as [Buffer]
  expect(String(head)).toMatch(/^HTTP\/1.1 101 /)
  return socket
}

/**
 * Fails when it is not closed as soon as is promised: by a timer of this process, which is that of the edge as well, so that
 * a machine that lets it wait lets both wait. Then what was closed here is told there, which takes turns and no time.
 */
async function closing(connection: Socket | IncomingMessage): Promise<void> {
  const promised = new AbortController()
  const late = delay(PROMISED, undefined, { signal: promised.signal }).catch(() => undefined)
  // Not by `once`, which would throw what it is reset with.
  const closed = new Promise<void>((resolve) => void connection.once('close', resolve))
  if (!connection.closed) await Promise.race([closed, late])
  promised.abort()
  for (let turn = 0; turn < 100 && !connection.closed; turn++) await nextTurn()
  expect(connection.closed).toBe(true)
}

test.each([
  ['disabled', () => under.registry.addUser('brian', 'django2', { disabled: true, version: 6 })],
  ['removed', () => under.registry.remove('user', 'brian')],
  ['moved', () => under.registry.addUser('brian', 'django1', { version: 6, epoch: 5 })],
  ['signed out, or given another password', () => under.registry.addUser('brian', 'django2', { version: 6 })],
])('what a user has open who is %s is closed within a second, and nobody else’s', async (_what, change) => {
  const [socket, events] = [await webSocket('brian'), await stream('brian', '/events')]
  const others = [await webSocket('graham'), await stream('graham', '/events')]
  change()
  await closing(socket)
  await closing(events)
  for (const other of others) expect(other.closed).toBe(false)
})

test('an answer under way is cut for whoever is shut out, and not for whoever is moved', async () => {
  const [moved, disabled] = [await stream('graham', '/download'), await stream('brian', '/download')]
  under.registry.addUser('graham', 'django2', { version: 6 })
  under.registry.addUser('brian', 'django2', { version: 6, disabled: true })
  await closing(disabled)
  expect(moved.closed).toBe(false)
})

test('a registry that cannot be read closes nothing', async () => {
  const socket = await webSocket('brian')
  let reads = 0
  under.registry.read = () => {
    reads += 1
    return Promise.reject(new Error('the disk is gone'))
  }
  await expect.poll(() => reads).toBeGreaterThan(1)
  expect(socket.closed).toBe(false)
})

describe('what is open by a credential of its own is closed with that', () => {
  async function cookieOf(user: string): Promise<string> {
    const form = { username: user, password: PASSWORD }
    const { headers } = await browse(`${under.url}/_mux/signin`, { form })
    return headers['set-cookie']![0]!.split(';')[0]!
  }

  test('by a session that is signed out in its browser, and no other one of the user', async () => {
    const [one, two] = [await cookieOf('brian'), await cookieOf('brian')]
    const socket = await webSocket('brian', `Cookie: ${one}`)
    const other = await webSocket('brian', `Cookie: ${two}`)
    await browse(`${under.url}/_mux/signout`, { form: {}, headers: { cookie: one } })
    await closing(socket)
    expect(other.closed).toBe(false)
  })

  test('by a session, at its end', async () => {
    const socket = await webSocket('brian', `Cookie: ${await cookieOf('brian')}`)
    under.clock.now += 14 * 86_400_000
    await closing(socket)
  })

  test.each([
    ['revoked', (id: string) => under.registry.remove('token', id)],
    ['over', () => void (under.clock.now += 86_400_000)],
  ])('by a token that is %s', async (_what, change) => {
    const { id, token, sha256 } = createToken()
    const user = parseUserName('brian')!
    const expires = new Date(under.clock.now + 86_400_000).toISOString()
    under.registry.set('token', id, { v: 1, user, sha256, expires, label: null, used: null })
    const socket = await webSocket('brian', `Authorization: Bearer ${token}`)
    const other = await webSocket('brian')
    change(id)
    await closing(socket)
    expect(other.closed).toBe(false)
  })
})

import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'

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

async function webSocket(user: string): Promise<Socket> {
  const socket = connect(under.port, '127.0.0.1')
  socket.on('error', () => {})
  const lines = ['GET / HTTP/1.1', 'Host: a', `Authorization: ${basic(user, PASSWORD)}`]
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

/** Seconds until it is closed; fails after five. */
async function closing(connection: Socket | IncomingMessage): Promise<number> {
  const since = performance.now()
  await expect.poll(() => connection.closed, { timeout: 5_000, interval: 10 }).toBe(true)
  return (performance.now() - since) / 1000
}

test.each([
  ['disabled', () => under.registry.addUser('brian', 'django2', { disabled: true, version: 6 })],
  ['removed', () => under.registry.remove('user', 'brian')],
  ['moved', () => under.registry.addUser('brian', 'django1', { version: 6 })],
  ['signed out, or given another password', () => under.registry.addUser('brian', 'django2', { version: 6 })],
])('what a user has open who is %s is closed within a second, and nobody else’s', async (_what, change) => {
  const [socket, events] = [await webSocket('brian'), await stream('brian', '/events')]
  const others = [await webSocket('graham'), await stream('graham', '/events')]
  change()
  expect(await closing(socket)).toBeLessThan(1)
  expect(await closing(events)).toBeLessThan(1)
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
  await expect.poll(() => reads, { timeout: 5_000 }).toBeGreaterThan(1)
  expect(socket.closed).toBe(false)
})

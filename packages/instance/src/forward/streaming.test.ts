import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually, rawClient, startFront, startRawPeer, untilStill } from './fixtures/front.ts'

const MIB = 1024 * 1024
const BODY = 200 * MIB
/** What the memory of this process, forwarder and client together, may grow by. */
const GROWTH = 96 * MIB

async function startBigBodies(): Promise<{ port: number }> {
  const child = fork(join(import.meta.dirname, 'fixtures/big-bodies.ts'))
  onTestFinished(async () => {
    child.disconnect()
    await once(child, 'exit')
  })
  const [port] = await once(child, 'message')
  return { port }
}

/** The most that this process grows by while something runs, in bytes. */
async function growthDuring(run: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss()
  let peak = before
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20)
  try {
    await run()
  } finally {
    clearInterval(sampler)
  }
  return peak - before
}

/** Reads everything and keeps nothing. */
async function countBytes(port: number, request: string): Promise<number> {
  const { socket } = rawClient(port, request)
  let count = 0
  socket.removeAllListeners('data').on('data', (chunk) => (count += chunk.length))
  await once(socket, 'end')
  return count
}

async function writeBody(socket: ReturnType<typeof rawClient>['socket'], chunked: boolean): Promise<void> {
  const chunk = Buffer.alloc(MIB, 'y')
  for (let sent = 0; sent < BODY; sent += MIB) {
    if (chunked) socket.write('100000\r\n')
    if (!socket.write(chunk)) await once(socket, 'drain')
    if (chunked) socket.write('\r\n')
  }
  if (chunked) socket.write('0\r\n\r\n')
}

describe('200 MB pass without being held', () => {
  it.each([
    ['with its length', '', BODY],
    ['chunked', 'X-Chunked: 1\r\n', BODY],
  ])('as a download %s', async (_, header, least) => {
    const front = await startFront(await startBigBodies())
    const request = `GET /down?${BODY} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${header}\r\n`
    // What the first transfer takes to warm up (code, buffers, the collector's own limits) is not growth.
    let count = await countBytes(front.port, request.replace(String(BODY), String(64 * MIB)))
    const growth = await growthDuring(async () => (count = await countBytes(front.port, request)))
    expect(count).toBeGreaterThan(least)
    expect(count).toBeLessThan(least * 1.01)
    expect(growth).toBeLessThan(GROWTH)
  })

  it.each([
    ['with its length', `Content-Length: ${BODY}`, false],
    ['chunked', 'Transfer-Encoding: chunked', true],
  ])('as an upload %s', async (_, framing, chunked) => {
    const front = await startFront(await startBigBodies())
    const client = rawClient(front.port, `PUT / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`)
    const growth = await growthDuring(async () => {
      await writeBody(client.socket, chunked)
      await eventually(
        () => /got \d+/.test(client.received),
        () => `no end in ${client.received}`,
      )
    })
    expect(client.received).toContain(`got ${BODY}`)
    expect(growth).toBeLessThan(GROWTH)
  })
})

describe('backpressure', () => {
  it.each([
    ['a kept connection', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['its own connection', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])(
    'of a client that does not read stops the instance, on %s, and lets it go on afterwards',
    async (_, request) => {
      let written = 0
      const chunk = Buffer.alloc(64 * 1024, 'z')
      const peer = await startRawPeer((socket, received) => {
        if (!received.endsWith('\r\n\r\n') || written > 0) return
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY}\r\n\r\n`)
        const more = (): void => {
          while (written < BODY) {
            written += chunk.length
            if (!socket.write(chunk)) return
          }
        }
        socket.on('drain', more)
        more()
      })
      const front = await startFront(peer.address)
      const { socket } = rawClient(front.port)
      socket.removeAllListeners('data').pause()
      socket.write(request)
      await untilStill(() => written)
      expect(written).toBeGreaterThan(0)
      expect(written).toBeLessThan(32 * MIB)
      let count = 0
      socket.on('data', (data) => (count += data.length)).resume()
      await eventually(
        () => count > BODY,
        () => `${count} of ${BODY}`,
      )
    },
  )

  it.each([
    ['with its length', `Content-Length: ${BODY}`, false],
    ['chunked', 'Transfer-Encoding: chunked', true],
  ])('of an instance that does not read stops the client, with an upload %s', async (_, framing, chunked) => {
    const peer = await startRawPeer((socket) => {
      socket.pause()
    })
    const front = await startFront(peer.address)
    const client = rawClient(front.port, `PUT / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`)
    void writeBody(client.socket, chunked).catch(() => {})
    await untilStill(() => client.socket.bytesWritten - client.socket.writableLength)
    expect(client.socket.bytesWritten - client.socket.writableLength).toBeLessThan(32 * MIB)
    // A client that leaves is not seen while nothing is read from it; the end of the generation frees it all.
    front.end()
    await eventually(
      () => front.open === 0 && front.leased === 0,
      () => 'left open',
    )
  })
})

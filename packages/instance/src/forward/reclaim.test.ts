import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DEAD, eventually, rawClient, startFront, startSuccession, startUpstream } from './fixtures/front.ts'

const KNOWN = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'
const CHUNKED =
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
const UPGRADE =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n'

/** Answers with the body, and notes it: what arrives twice would be noted twice. */
async function startLedger() {
  const bodies: string[] = []
  const upstream = await startUpstream((incoming, outgoing) => {
    let body = ''
    incoming.setEncoding('utf8').on('data', (text) => (body += text))
    incoming.once('end', () => {
      bodies.push(body)
      outgoing.end(`got ${body}`)
    })
  })
  return { address: upstream, bodies }
}

describe('a generation that died a moment ago', () => {
  it.each([
    ['a POST of known length', KNOWN, 'hello'],
    ['a POST in chunks', CHUNKED, 'hello'],
    ['a WebSocket', UPGRADE, ''],
  ])(
    'costs nothing but a moment: %s goes to the next generation, once and whole',
    async (_, request, body) => {
      const ledger = await startLedger()
      const front = await startSuccession(DEAD, DEAD, ledger.address)
      expect(await rawClient(front.port, request).closed()).toMatch(/^HTTP\/1\.1 200 /)
      expect(ledger.bodies).toEqual([body])
    },
  )

  it('has a client that waits to be asked for its body asked once', async () => {
    const ledger = await startLedger()
    const front = await startSuccession(DEAD, DEAD, ledger.address)
    const [head] = KNOWN.split('hello')
    const client = rawClient(front.port, head!.replace('Host: a', 'Host: a\r\nExpect: 100-continue'))
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
    client.socket.write('hello')
    expect((await client.closed()).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200'])
  })

  it('is not asked for ever: without a next one the answer is 502 soon', async () => {
    const front = await startSuccession(DEAD)
    expect(await rawClient(front.port, KNOWN).closed()).toMatch(/^HTTP\/1\.1 502 /)
    expect(front.problems).toEqual(['instance_unreachable'])
  })
})

/** Lets one connection wait, or few. */
const SERVER = `
  const { createServer } = require('node:http')
  const server = createServer((incoming, outgoing) => incoming.resume().once('end', () => outgoing.end('ok')))
  server.listen({ path: process.argv[1], backlog: 1 }, () => console.log('ready'))
`

describe('a generation that has more clients at once than may wait at its Unix socket', () => {
  it.each([
    ['requests without a body', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['a POST of known length', KNOWN],
    ['a POST in chunks', CHUNKED],
  ])('is given the time to take them, and answers each: %s', async (_, request) => {
    const directory = await mkdtemp(join(tmpdir(), 'mux-backlog-'))
    const socketPath = join(directory, 'app.sock')
    const child = spawn(process.execPath, ['--eval', SERVER, socketPath], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await rm(directory, { recursive: true })
    })
    await once(child.stdout, 'data')
    const front = await startFront({ socketPath })
    child.kill('SIGSTOP')
    const clients = Array.from({ length: 50 }, () => rawClient(front.port, request))
    await eventually(
      () => front.open === clients.length,
      () => 'not all under way',
    )
    child.kill('SIGCONT')
    for (const client of clients) expect(await client.closed()).toMatch(/^HTTP\/1\.1 200 /)
    expect(front.problems).toEqual([])
  })
})

describe('a generation that breaks off', () => {
  it.each([
    ['in the middle of an answer', /^HTTP\/1\.1 200 [^]*begun/],
    ['before it answers', /^HTTP\/1\.1 502 /],
  ])('%s is told to the client when it is known whether it has ended', async (where, expected) => {
    const broken = Promise.withResolvers<void>()
    const upstream = await startUpstream((incoming, outgoing) => {
      const breakOff = () => {
        incoming.socket.destroy()
        broken.resolve()
      }
      incoming.resume()
      if (where === 'before it answers') breakOff()
      else outgoing.writeHead(200, { 'content-length': 100 }).write('begun', () => setTimeout(breakOff, 50))
    })
    const exit = Promise.withResolvers<void>()
    const front = await startFront(upstream, {
      claim: (lease) => Object.assign(lease, { exited: exit.promise }),
    })
    const client = rawClient(front.port, KNOWN)
    let told = false
    client.socket.once('close', () => (told = true))
    await broken.promise
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([told, front.problems]).toEqual([false, []])
    exit.resolve()
    expect(await client.closed()).toMatch(expected)
  })

  it('and does not end is told to the client all the same', async () => {
    const upstream = await startUpstream((incoming) => incoming.socket.destroy())
    const front = await startFront(upstream)
    expect(await rawClient(front.port, KNOWN).closed()).toMatch(/^HTTP\/1\.1 502 /)
  })
})

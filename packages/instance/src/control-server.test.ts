import { linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request as openRequest } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  CONTROL_PATH,
  ControlError,
  type ControlOp,
  type ControlRequest,
  type ControlResult,
  decodeControlReply,
} from '@mux/contract'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type ControlServer, serveControl } from './control-server.ts'
import type { LogEvent } from './log-event.ts'

let socketPath: string
beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), 'mux-control-'))
  socketPath = join(directory, 'control.sock')
  onTestFinished(() => rmSync(directory, { recursive: true }))
})

type Handle = (request: ControlRequest) => Promise<ControlResult<ControlOp>>

async function start(handle: Handle): Promise<{ server: ControlServer; log: LogEvent[] }> {
  const log: LogEvent[] = []
  const server = await serveControl({ socketPath, handle, log: (event) => log.push(event) })
  onTestFinished(() => server.close(0))
  return { server, log }
}

const shutdown: Handle = () => Promise.resolve({ pid: 42 })

/** Carries an order out for as long as it is not told to end; the first one has then `begun`. */
function heldUp() {
  const begun = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  const handle: Handle = async () => {
    begun.resolve()
    await ended.promise
    return { pid: 42 }
  }
  return { handle, begun: begun.promise, end: ended.resolve }
}

/** Gives one order; resolves with status and body. */
function order(
  body: string,
  options: { method?: string; path?: string } = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = openRequest(
      { socketPath, method: 'POST', path: CONTROL_PATH, agent: false, ...options },
      (reply) => {
        let text = ''
        reply.setEncoding('utf8').on('data', (chunk) => (text += chunk))
        reply.on('end', () => resolve({ status: reply.statusCode!, text }))
        reply.on('error', reject)
      },
    )
    call.on('error', reject)
    call.end(body)
  })
}

const SHUTDOWN = JSON.stringify({ v: 1, op: 'shutdown' })

function rawSocket(bytes: string): { socket: Socket; ended: Promise<string> } {
  const socket = connect(socketPath)
  let received = ''
  socket.on('data', (chunk) => (received += chunk.toString('latin1')))
  socket.on('error', () => {})
  const ended = new Promise<string>((resolve) => socket.on('close', () => resolve(received)))
  socket.write(bytes)
  onTestFinished(() => {
    socket.destroy()
  })
  return { socket, ended }
}

describe('an order', () => {
  it('is decoded, carried out and answered', async () => {
    const seen: ControlRequest[] = []
    await start((request) => {
      seen.push(request)
      return Promise.resolve({ pid: 42 })
    })
    const { status, text } = await order(SHUTDOWN)
    expect(status).toBe(200)
    expect(decodeControlReply('shutdown', text)).toEqual({ pid: 42 })
    expect(seen).toEqual([{ v: 1, op: 'shutdown' }])
  })

  it('that is refused is answered with the code, the hint and the log lines', async () => {
    await start(() =>
      Promise.reject(
        new ControlError('instance_failed', 'It does not start.', { hint: 'mux x', log: ['a', 'b'] }),
      ),
    )
    const { status, text } = await order(JSON.stringify({ v: 1, op: 'start', instance: 'django2' }))
    expect(status).toBe(502)
    expect(JSON.parse(text)).toEqual({
      v: 1,
      ok: false,
      error: { code: 'instance_failed', message: 'It does not start.', hint: 'mux x', log: ['a', 'b'] },
    })
  })

  it('that meets a defect is answered without it, and the log has it', async () => {
    const { log } = await start(() => Promise.reject(new TypeError('planted detail')))
    const { status, text } = await order(SHUTDOWN)
    expect(status).toBe(500)
    expect(text).not.toContain('planted')
    expect(() => decodeControlReply('shutdown', text)).toThrow(expect.objectContaining({ code: 'internal' }))
    expect(log).toEqual([{ event: 'order_failed', reason: 'TypeError: planted detail' }])
  })

  it('may take longer than its client had for giving it; half an order is given up meanwhile', async () => {
    const { handle, begun, end } = heldUp()
    await start(handle)
    const whole = order(SHUTDOWN)
    await begun
    // It comes later, so that what it is too late for is over for the other as well.
    const half = rawSocket(`POST ${CONTROL_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"v":1`)
    expect(await half.ended).toMatch(/^HTTP\/1.1 408/)
    end()
    expect((await whole).status).toBe(200)
  })

  it.each([
    ['no JSON', 'garbage', {}],
    ['no order', '{"v":1,"op":"explode"}', {}],
    ['an order of another version', '{"v":2,"op":"status"}', {}],
    ['a path as the name of an instance', '{"v":1,"op":"stop","instance":"../x"}', {}],
    ['nothing', '', {}],
    ['too long', ' '.repeat(70_000), {}],
    ['sent to another path', SHUTDOWN, { path: '/' }],
    ['sent by another method', SHUTDOWN, { method: 'PUT' }],
  ])('that is %s is refused in one reply, and nothing is done', async (_, body, options) => {
    let done = 0
    await start(() => {
      done++
      return Promise.resolve({ pid: 42 })
    })
    const { status, text } = await order(body, options)
    expect(status).toBe(400)
    expect(() => decodeControlReply('shutdown', text)).toThrow(
      expect.objectContaining({ code: 'control_request_invalid' }),
    )
    expect(done).toBe(0)
  })
})

describe('the supervisor is unaffected by', () => {
  it.each([
    ['garbage', '\0\x01\x02 not http at all\r\n\r\n'],
    ['a line of 10 MB', 'x'.repeat(10_000_000)],
    ['a header of 10 MB', `POST ${CONTROL_PATH} HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(10_000_000)}`],
    [
      'a body of 10 MB',
      `POST ${CONTROL_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n${'x'.repeat(10_000_000)}`,
    ],
  ])('%s, which is cut off', async (_, bytes) => {
    await start(shutdown)
    expect(await rawSocket(bytes).ended).toMatch(/^(HTTP\/1.1 4\d\d|$)/)
    expect((await order(SHUTDOWN)).status).toBe(200)
  })

  it('200 clients at once, each of which is served', async () => {
    await start(async () => {
      await delay(20)
      return { pid: 42 }
    })
    const replies = await Promise.all(Array.from({ length: 200 }, () => order(SHUTDOWN)))
    expect(replies.every(({ status }) => status === 200)).toBe(true)
  })

  it('clients that say nothing, say half, or leave: others are served meanwhile', async () => {
    const { log } = await start(shutdown)
    const silent = Array.from({ length: 50 }, () => rawSocket(''))
    const half = Array.from({ length: 50 }, () =>
      rawSocket(`POST ${CONTROL_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"v":1`),
    )
    expect((await order(SHUTDOWN)).status).toBe(200)
    for (const { socket } of [...silent, ...half]) socket.destroy()
    await Promise.all([...silent, ...half].map(({ ended }) => ended))
    expect((await order(SHUTDOWN)).status).toBe(200)
    expect(log).toEqual([])
  })

  it('a client that leaves while its order is carried out', async () => {
    const { handle, begun, end } = heldUp()
    await start(handle)
    const { socket, ended } = rawSocket(
      `POST ${CONTROL_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: ${SHUTDOWN.length}\r\n\r\n${SHUTDOWN}`,
    )
    await begun
    socket.destroy()
    await ended
    end()
    expect((await order(SHUTDOWN)).status).toBe(200)
  })
})

describe('the socket', () => {
  it('is for its owner alone', async () => {
    await start(shutdown)
    expect(statSync(socketPath).mode & 0o777).toBe(0o600)
  })

  it('of a dead supervisor is replaced', async () => {
    // What a killed process leaves: a socket file that nobody answers on.
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(`${socketPath}.old`, resolve))
    linkSync(`${socketPath}.old`, socketPath)
    await new Promise((resolve) => other.close(resolve))
    expect(statSync(socketPath).isSocket()).toBe(true)
    await start(shutdown)
    expect((await order(SHUTDOWN)).status).toBe(200)
  })

  it('of a live one is left alone', async () => {
    await start(shutdown)
    await expect(serveControl({ socketPath, handle: shutdown, log: () => {} })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    expect((await order(SHUTDOWN)).status).toBe(200)
  })

  it('does not take the place of a file that is none', async () => {
    writeFileSync(socketPath, 'precious')
    await expect(serveControl({ socketPath, handle: shutdown, log: () => {} })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    expect(statSync(socketPath).size).toBe(8)
  })

  it('is gone when the server is closed, after the orders under way', async () => {
    const { handle, begun, end } = heldUp()
    const { server } = await start(handle)
    const underWay = order(SHUTDOWN)
    await begun
    const closed = server.close(60_000)
    end()
    await closed
    expect((await underWay).status).toBe(200)
    expect(() => statSync(socketPath)).toThrow('ENOENT')
  })

  it('closes in time also on an order that never ends', async () => {
    const { handle, begun } = heldUp()
    const { server } = await start(handle)
    const underWay = order(SHUTDOWN)
    await begun
    await Promise.all([server.close(100), expect(underWay).rejects.toThrow('socket hang up')])
  })
})

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sendOrder } from './control-client.ts'

let directory: string
let socketPath: string
let server: Server | undefined
const sockets = new Set<Socket>()
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mux-control-'))
  socketPath = join(directory, 'control.sock')
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)))
  server = undefined
  await rm(directory, { recursive: true })
})

/** A peer that says `bytes` to whatever it is told, and then does what `after` says. */
async function peer(bytes: string, after: 'end' | 'hang' | 'destroy' = 'end'): Promise<string[]> {
  const heard: string[] = []
  server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      heard.push(chunk.toString())
      socket.write(bytes, () => {
        if (after === 'end') socket.end()
        if (after === 'destroy') socket.destroy()
      })
    })
  })
  await new Promise<void>((resolve) => server!.listen(socketPath, resolve))
  return heard
}

const http = (body: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
/** @param limit milliseconds; the one here is not to pass, where it is not what the test is about */
const stopIt = (limit = 60_000) => sendOrder(socketPath, { op: 'shutdown' }, limit)

describe('an order', () => {
  it('carries its version and comes back with its result', async () => {
    const heard = await peer(http('{"v":1,"ok":true,"result":{"pid":42}}'))
    expect(await stopIt()).toEqual({ pid: 42 })
    expect(heard.join('')).toContain('POST /_mux/control HTTP/1.1')
    expect(heard.join('')).toContain('{"v":1,"op":"shutdown"}')
  })

  it('that is refused is the refusal, with its hint and log, whatever the status', async () => {
    const error = { code: 'instance_failed', message: 'It exited with code 1.', hint: 'Look.', log: ['boom'] }
    await peer(http(JSON.stringify({ v: 1, ok: false, error }), '409 Conflict'))
    await expect(stopIt()).rejects.toMatchObject({ name: 'ControlError', ...error })
  })

  it('without a supervisor says that there is none and how to start it', async () => {
    await expect(stopIt()).rejects.toMatchObject({
      code: 'not_running',
      exitCode: 5,
      hint: expect.stringContaining('mux up'),
    })
  })

  it('to the socket of a dead supervisor says that there is none', async () => {
    await peer('')
    await new Promise((resolve) => server!.close(resolve))
    server = undefined
    await expect(stopIt()).rejects.toMatchObject({ code: 'not_running' })
  })

  it('to a supervisor that hangs is given up in time', async () => {
    await peer('', 'hang')
    await expect(stopIt(500)).rejects.toMatchObject({
      code: 'supervisor_unresponsive',
      exitCode: 5,
      message: expect.stringContaining('did not answer within 0.5 s'),
    })
  })

  it('to a supervisor that hangs in the middle of its reply is given up in time', async () => {
    await peer('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"v":1', 'hang')
    await expect(stopIt(500)).rejects.toMatchObject({ code: 'supervisor_unresponsive' })
  })

  it('to a supervisor that dies in the middle of its reply is no success', async () => {
    await peer('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"v":1', 'destroy')
    await expect(stopIt()).rejects.toMatchObject({ code: 'supervisor_unresponsive' })
  })

  it('that is waited for no longer throws why', async () => {
    await peer('', 'hang')
    const interruption = new AbortController()
    const waiting = sendOrder(socketPath, { op: 'status' }, 60_000, interruption.signal)
    interruption.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })

  it('answered with something else is no success', async () => {
    await peer('SSH-2.0-OpenSSH_9.9\r\n')
    await expect(stopIt()).rejects.toMatchObject({ code: 'supervisor_unresponsive' })
  })

  it('answered with JSON of another shape is no success', async () => {
    await peer(http('{"v":1,"ok":true,"result":{}}'))
    await expect(stopIt()).rejects.toMatchObject({ name: 'ControlError', code: 'internal' })
  })

  it('answered without end is given up', async () => {
    await peer(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(20 * 1024 * 1024)}`, 'hang')
    await expect(stopIt()).rejects.toMatchObject({ code: 'supervisor_unresponsive' })
  })
})

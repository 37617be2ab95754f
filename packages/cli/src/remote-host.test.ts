import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { PassThrough, Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { decodeCommand, exitPayload, type Frame, frameHead, parseHostName } from '@mux/contract'
import { describe, expect, it, onTestFinished } from 'vitest'
import { answerOfHost } from './remote-command.ts'
import { orderHost, type RemoteHost, runOnHost } from './remote-host.ts'

const NAME = parseHostName('east')!
/** Milliseconds for an order: none is to come near, but the one of a host that does not answer. */
const LIMIT = 60_000

/** A host that does what `answer` says. */
async function startHost(
  answer: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): Promise<RemoteHost> {
  const server = createServer(answer).on('checkContinue', answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return { name: NAME, origin: `http://127.0.0.1:${port}`, key: new Uint8Array(32) }
}

function sink(): { stream: Writable; text: () => string } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk)
      done()
    },
  })
  return { stream, text: () => Buffer.concat(chunks).toString() }
}

function frame(kind: Frame['kind'], text: string | Uint8Array): Buffer {
  const payload = Buffer.from(text)
  return Buffer.concat([frameHead(kind, payload.length), payload])
}

const FRAMES = { 'Content-Type': 'application/octet-stream' }
const REFUSED = { 'Content-Type': 'application/problem+json', 'Mux-Problem': 'assertion_invalid' }

function run(host: RemoteHost, stdin?: AsyncIterable<Uint8Array>, signal?: AbortSignal) {
  const stdout = sink()
  const stderr = sink()
  const options = {
    stdout: stdout.stream,
    stderr: stderr.stream,
    ...(stdin && { stdin }),
    ...(signal && { signal }),
  }
  return { code: runOnHost(host, ['instance', 'list'], { ...options, columns: 100 }), stdout, stderr }
}

describe('an order to a host', () => {
  it('is signed, and comes back with its result', async () => {
    let heard: IncomingMessage['headers'] = {}
    const host = await startHost(({ headers }, outgoing) => {
      heard = headers
      outgoing.writeHead(200, { 'Content-Type': 'application/json' })
      outgoing.end('{"v":1,"ok":true,"result":{"pid":42}}')
    })
    expect(await orderHost(host, { op: 'keys' }, LIMIT)).toEqual({ pid: 42 })
    expect(heard).toMatchObject({ 'mux-host': 'east', 'content-digest': expect.stringMatching(/^sha-256=:/) })
    expect(heard['signature-input']).toContain('keyid="control:east"')
  })

  it.each<[string, (outgoing: ServerResponse) => void, object, limit?: number]>([
    ['does not know the key', (o) => o.writeHead(403, REFUSED).end('{}'), { code: 'host_refused' }],
    ['is none', (o) => o.writeHead(404).end('<html>'), { code: 'host_unreachable' }],
    ['breaks off', (o) => o.destroy(), { code: 'host_unreachable' }],
    [
      'says what is not understood',
      (o) => o.writeHead(200, { 'Content-Type': 'application/json' }).end('{"v":2,"ok":true}'),
      { code: 'host_unreachable', message: expect.stringContaining('The host east') },
    ],
    ['does not answer', () => {}, { code: 'host_unreachable' }, 500],
    [
      'says no',
      (o) =>
        o
          .writeHead(409, { 'Content-Type': 'application/json' })
          .end('{"v":1,"ok":false,"error":{"code":"pool_full","message":"Full.","hint":null,"log":[]}}'),
      { name: 'ControlError', code: 'pool_full' },
    ],
  ])('that %s fails with what it is', async (_, answer, error, limit = LIMIT) => {
    const host = await startHost((_incoming, outgoing) => answer(outgoing))
    await expect(orderHost(host, { op: 'keys' }, limit)).rejects.toMatchObject(error)
  })

  it('where nothing listens, and to an origin that only the Worker reaches, is unreachable', async () => {
    const host = { name: NAME, origin: 'http://127.0.0.1:9', key: new Uint8Array(32) }
    await expect(orderHost(host, { op: 'keys' }, LIMIT)).rejects.toMatchObject({
      code: 'host_unreachable',
      message: expect.stringContaining('nothing listens there'),
    })
    await expect(orderHost({ ...host, origin: 'vpc:WEB1' }, { op: 'keys' }, LIMIT)).rejects.toMatchObject({
      code: 'host_unreachable',
    })
  })
})

describe('a command on a host', () => {
  it('gets its input, and what it says and ends with comes back', async () => {
    let body = Buffer.alloc(0)
    const host = await startHost((incoming, outgoing) => {
      outgoing.writeContinue()
      void buffer(incoming).then((bytes) => {
        body = bytes
        outgoing.writeHead(200, FRAMES)
        outgoing.write(Buffer.concat([frame('stdout', 'one'), frame('stdout', ''), frame('stderr', 'tw')]))
        outgoing.end(Buffer.concat([frame('stderr', 'o'), frame('exit', exitPayload(3))]))
      })
    })
    const input = Buffer.alloc(3_000_000, 'x')
    const { code, stdout, stderr } = run(host, Readable.from([input]))
    expect(await code).toBe(3)
    expect([stdout.text(), stderr.text()]).toEqual(['one', 'two'])
    const { command, stdinAt } = decodeCommand(body)
    expect(command).toEqual({ args: ['instance', 'list'], columns: 100 })
    expect(body.subarray(stdinAt).equals(input)).toBe(true)
  })

  it('whose answer comes in pieces that end within a character is read as it was', async () => {
    const answer = Buffer.from('{"title":"Zoë"}')
    const at = answer.indexOf('ë') + 1
    const host = await startHost((incoming, outgoing) => {
      incoming.resume()
      outgoing.writeHead(200, FRAMES)
      const pieces = [answer.subarray(0, at), answer.subarray(at)].map((piece) => frame('stdout', piece))
      outgoing.end(Buffer.concat([...pieces, frame('exit', exitPayload(0))]))
    })
    expect(await answerOfHost(host, ['instance', 'show', 'django2'])).toEqual({ title: 'Zoë' })
  })

  it('that is refused is refused before its input is sent', async () => {
    let received = 0
    const host = await startHost((incoming, outgoing) => {
      incoming.on('data', (chunk: Buffer) => (received += chunk.length))
      outgoing.writeHead(403, REFUSED).end('{}')
    })
    const { code } = run(host, Readable.from([Buffer.alloc(10_000_000)]))
    await expect(code).rejects.toMatchObject({ code: 'host_refused' })
    expect(received).toBe(0)
  })

  it.each<[string, Buffer]>([
    ['breaks off before it says how it ended', frame('stdout', 'one')],
    ['is garbled', Buffer.from('<html>garbage</html>')],
  ])('whose output %s has failed', async (_, bytes) => {
    const host = await startHost((incoming, outgoing) => {
      incoming.resume()
      outgoing.writeHead(200, FRAMES)
      outgoing.end(bytes)
    })
    await expect(run(host).code).rejects.toMatchObject({
      code: 'host_unreachable',
      message: expect.stringContaining('The host east'),
    })
  })

  it('that is given up while it waits for its input is not sent', async () => {
    const host = await startHost(() => {
      throw new Error('it was sent')
    })
    const control = new AbortController()
    const { code } = run(host, new PassThrough(), control.signal)
    control.abort(new Error('given up'))
    await expect(code).rejects.toThrow('given up')
  })

  it('that is given up lets go of the host', async () => {
    const gone = Promise.withResolvers<void>()
    const host = await startHost((incoming, outgoing) => {
      incoming.resume()
      outgoing.writeHead(200, FRAMES)
      outgoing.write(frame('stdout', 'one'))
      outgoing.once('close', () => gone.resolve())
    })
    const control = new AbortController()
    const { code, stdout } = run(host, undefined, control.signal)
    while (stdout.text() === '') await delay(5)
    control.abort(new Error('given up'))
    await expect(code).rejects.toThrow('given up')
    await gone.promise
  })
})

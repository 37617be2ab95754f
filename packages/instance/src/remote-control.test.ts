import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { type IncomingMessage, request as openRequest } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  COMMAND_PATH,
  type ControlRequest,
  encodeCommand,
  FrameDecoder,
  parseHostName,
  type RemoteCommand,
} from '@mux/contract'
import { describe, expect, it } from 'vitest'
import { message, startGateway, upgrade } from './fixtures/gateway-under-test.ts'
import { temporaryDirectory } from './fixtures/laboratory.ts'
import { KEY, NOW, sign } from './fixtures/signing-edge.ts'
import { CONTROL_KEY, signControl, type SignControlOptions } from './fixtures/signing-operator.ts'
import { eventually, rawClient, startFixedPeer, untilStill } from './forward/fixtures/front.ts'
import type { GatewayOptions } from './gateway.ts'
import { deriveControlKey } from './host-key.ts'
import { isAlive, startTimeOf } from './process-tree.ts'
import type { RemoteControlOptions } from './remote-control.ts'
import { startSession } from './session-process.ts'

const PATH = '/_mux/control'
const ORDER = JSON.stringify({ v: 1, op: 'keys' })
const WEST = parseHostName('west')!
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A gateway whose commands are scripts of Node, and a ledger of all that was done. */
async function start(
  overrides: Partial<RemoteControlOptions> = {},
  more: (options: Partial<GatewayOptions>) => Partial<GatewayOptions> = (options) => options,
) {
  const orders: ControlRequest[] = []
  const commands: RemoteCommand[] = []
  const nonces = new Set<string>()
  const spoolDirectory = temporaryDirectory()
  const peer = await startFixedPeer(OK)
  const options: Partial<GatewayOptions> = {
    control: {
      keys: () => [CONTROL_KEY],
      takeNonce: (nonce) => !nonces.has(nonce) && nonces.add(nonce) !== undefined,
      handle: (order) => {
        orders.push(order)
        return Promise.resolve({ pid: 42 })
      },
      run: (command, stdin) => {
        commands.push(command)
        const words = [process.execPath, '-e', command.args[0]!] as const
        const place = { directory: spoolDirectory, environment: process.env, variables: {} }
        return startSession({ words: [...words], ...place, stdin })
      },
      spoolDirectory,
      ...overrides,
    },
  }
  const started = await startGateway(peer, more(options))
  return { ...started, orders, commands, peer, spoolDirectory }
}

/** A signed request of the operator. */
function control(options: SignControlOptions = {}, more: readonly string[] = []): string {
  const { method = 'POST', target = PATH, body = ORDER } = options
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  return message(method, signControl({ body, ...options }), [length, ...more], String(body), target)
}

function answer(port: number, request: string): Promise<string> {
  return rawClient(port, request).closed()
}

describe('an order at the gateway', () => {
  it('is carried out once, and the same is refused from then on', async () => {
    const { port, orders, log } = await start()
    const request = control()
    expect(await answer(port, request)).toMatch(
      /^HTTP\/1.1 200 OK\r\nContent-Type: application\/json[^]*{"v":1,"ok":true,"result":{"pid":42}}$/,
    )
    expect(await answer(port, request)).toMatch(/^HTTP\/1.1 403 /)
    expect(orders).toEqual([{ v: 1, op: 'keys' }])
    expect(log).toEqual([{ event: 'control_refused', reason: 'replayed' }])
  })

  it('that is none is refused in words that only the operator gets', async () => {
    const { port, orders } = await start()
    for (const body of [
      'garbage',
      '{"v":1,"op":"explode"}',
      '',
      '{"v":1,"op":"hold","instance":"a","for":1e9}',
    ])
      expect(await answer(port, control({ body }))).toMatch(/^HTTP\/1.1 400 [^]*"control_request_invalid"/)
    expect(orders).toEqual([])
  })

  it('given two hundred times at once is carried out two hundred times, and a copy of it never', async () => {
    const { port, orders } = await start()
    const requests = Array.from({ length: 200 }, () => control())
    const answers = await Promise.all([...requests, ...requests].map((request) => answer(port, request)))
    const statuses = answers.map((text) => text.slice(9, 12))
    expect(statuses.filter((status) => status === '200')).toHaveLength(200)
    expect(statuses.filter((status) => status === '403')).toHaveLength(200)
    expect(orders).toHaveLength(200)
  })
})

describe('nobody but the operator of this very host', () => {
  const body = ORDER
  const replaced = (from: string | RegExp, to: string) => control().replace(from, to)
  const asserted = (target: string, headers: Record<string, string> = {}) =>
    message('POST', { ...sign({ method: 'POST', target }), ...headers }, ['Content-Length: 0'], '', target)
  const attempts: [string, string][] = [
    ['without a signature', message('POST', {}, [`Content-Length: ${body.length}`], body, PATH)],
    ['with another key', control({ key: new Uint8Array(32) })],
    ['with the key of another host', control({ key: deriveControlKey(new Uint8Array(32).fill(9), WEST) })],
    ['with an order for another host', control({ host: WEST })],
    ['with the host in the clear exchanged', replaced('mux-host: east', 'mux-host: west')],
    ['with the key of the edge', control({ key: KEY })],
    ['with the key of the edge under its own name', control({ key: KEY, parameters: { keyid: 'east' } })],
    ['with the control key under the name of the edge', control({ parameters: { keyid: 'east' } })],
    ['with an assertion of the edge', asserted(PATH)],
    ['with an assertion of the edge for a command', asserted(COMMAND_PATH)],
    ['with an assertion beside the digest', asserted(PATH, { 'mux-host': 'east', 'content-digest': 'x' })],
    ['after its time', control({ parameters: { created: NOW - 200, expires: NOW - 140 } })],
    ['before its time', control({ parameters: { created: NOW + 100, expires: NOW + 160 } })],
    ['for longer than a minute', control({ parameters: { expires: NOW + 61 } })],
    ['with another body of the same length', replaced('"keys"', '"exec"')],
    ['with another body and its digest', control({ body: '{}' }).replace(/sha-256=:[^:]+:/, digestOf(body))],
    ['with another path', replaced(`POST ${PATH} `, `POST ${COMMAND_PATH} `)],
    ['with another method', control({ method: 'PUT' })],
    ['with GET', control({ method: 'GET', body: '' })],
    ['with a query', control({ target: `${PATH}?` })],
    ['with a query that is signed', control({ target: `${PATH}?a=b` })],
    ['by the way of its parent', control({ target: `${PATH}/../control` })],
    ['by a path with a slash more', control({ target: `/${PATH}` })],
    ['by a path with a slash behind', control({ target: `${PATH}/` })],
    ['by an encoded path', control({ target: '/_mux/%63ontrol' })],
    ['by an encoded slash', control({ target: '/_mux%2Fcontrol' })],
    ['by a path in capitals', control({ target: '/_MUX/control' })],
    ['by a path behind a dot', control({ target: '/./_mux/control' })],
    ['by an absolute address', control({ target: `http://east${PATH}` })],
    ['with the host twice', control({}, ['Mux-Host: east'])],
    ['with another host in a second spelling', control({}, ['MUX-HOST: west'])],
    ['with the digest twice', control({}, [`Content-Digest: ${digestOf(body)}`])],
    ['with the signature twice', replaced(/(signature: [^\r]+\r\n)/, '$1$1')],
    ['with two lengths', control({}, [`Content-Length: ${body.length}`])],
    ['with a length and an encoding', control({}, ['Transfer-Encoding: chunked'])],
    ['with another encoding', replaced(/Content-Length: \d+/, 'Transfer-Encoding: gzip')],
    ['with two hosts', replaced('Host: east.internal', 'Host: a\r\nHost: b')],
    ['in HTTP/1.0', replaced('HTTP/1.1', 'HTTP/1.0')],
    ['by an upgrade', upgrade(signControl({ method: 'GET', target: PATH }), PATH)],
    ['by an upgrade with an assertion', upgrade(sign({ target: PATH }), PATH)],
    ['with a garbled signature', replaced(/signature: mux=:.{5}/, 'signature: mux=:AAAAA')],
    ['with a signature of 60 kB', replaced(/signature: mux=:/, `signature: mux=:${'A'.repeat(60_000)}`)],
  ]

  it('gets anything done, or learns why not', async () => {
    const { port, orders, commands, peer, log, spoolDirectory } = await start()
    const refused = /^HTTP\/1.1 (403 Forbidden|400 Bad Request)\r\n/
    const answers = new Map<string, string[]>()
    for (const [name, request] of attempts) {
      const text = await answer(port, request)
      expect(text, name).toMatch(refused)
      const known = text.replace(/Date: .*\r\n/, '')
      answers.set(known, [...(answers.get(known) ?? []), name])
    }
    // Node itself refuses what frames a body in two ways, before it is a request.
    const byNode = ['with two lengths', 'with a length and an encoding', 'with another encoding']
    const ours = [...answers.values()].filter((names) => !names.every((name) => byNode.includes(name)))
    expect(ours).toHaveLength(1)
    expect([orders, commands, peer.received, readdirSync(spoolDirectory)]).toEqual([[], [], [], []])
    expect(log.every(({ event }) => /^(control|assertion)_refused$/.test(event))).toBe(true)
  })

  it('gets anything done where no operator has a key', async () => {
    for (const more of [undefined, () => ({})]) {
      const { port, orders } = await start({ keys: () => [] }, more)
      expect(await answer(port, control())).toMatch(/^HTTP\/1.1 403 /)
      expect(await answer(port, asserted(PATH))).toMatch(/^HTTP\/1.1 403 /)
      expect(orders).toEqual([])
    }
  })

  it('gets anything done behind a request that was refused', async () => {
    const { port, orders } = await start()
    const keep = (request: string) => request.replace('Connection: close', 'Connection: keep-alive')
    const answers = await answer(port, keep(control({ key: KEY })) + keep(control()))
    expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 403'])
    expect(orders).toEqual([])
  })

  it('passes for an edge with the signature of an operator', async () => {
    const { port, peer } = await start()
    const signed = signControl({ method: 'GET', target: '/a%2Fb?c=d' })
    const pretended = { ...sign({ key: CONTROL_KEY }), ...signed }
    for (const headers of [
      signed,
      pretended,
      sign({ key: CONTROL_KEY, parameters: { keyid: 'control:east' } }),
    ])
      expect(await answer(port, message('GET', headers))).toMatch(/^HTTP\/1.1 403 /)
    expect(peer.received).toEqual([])
  })
})

describe('a command at the gateway', () => {
  /** @param script what Node does */
  const command = (script: string, stdin: Uint8Array = new Uint8Array()) =>
    signed(Buffer.concat([encodeCommand({ args: [script] }), stdin]))
  const signed = (body: Buffer) => ({ headers: signControl({ target: COMMAND_PATH, body }), body })

  /** Sends a command, and reads what it says while it says it. */
  function send(port: number, { headers, body }: ReturnType<typeof command>, sent = body.length) {
    const said = { status: 0, stdout: '', stderr: '', bytes: 0, code: undefined as number | undefined }
    const decoder = new FrameDecoder()
    const call = openRequest({ port, method: 'POST', path: COMMAND_PATH, headers, agent: false })
    call.setHeader('Content-Length', body.length)
    const closed = new Promise<typeof said>((resolve) => {
      call.on('error', () => {})
      call.once('close', () => resolve(said))
    })
    let answer: IncomingMessage | undefined
    call.once('response', (response) => {
      answer = response
      said.status = response.statusCode!
      response.on('error', () => {})
      response.on('data', (piece: Buffer) => {
        for (const frame of said.status === 200 ? decoder.push(piece) : []) {
          if (frame.kind === 'exit') said.code = frame.code
          else {
            said.bytes += frame.payload.length
            if (said.bytes < 1e6 || frame.kind === 'stderr') said[frame.kind] += text(frame.payload)
          }
        }
      })
    })
    call.write(body.subarray(0, sent))
    if (sent === body.length) call.end()
    return { said, closed, leave: () => call.destroy(), answer: () => answer! }
  }

  it('gets what was sent for its input; what it says, and how it ends, comes back in frames', async () => {
    const { port } = await start()
    const script = `
      const input = require('node:fs').readFileSync(0)
      process.stdout.write(input.length + ' ' + input[0])
      process.stderr.write('oh')
      process.exitCode = 7`
    for (const size of [1, 3_000_000]) {
      const { closed } = send(port, command(script, Buffer.alloc(size, 65)))
      expect(await closed).toMatchObject({ status: 200, stdout: `${size} 65`, stderr: 'oh', code: 7 })
    }
    const ended = send(port, command(`process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`))
    expect(await ended.closed).toMatchObject({ code: 143 })
  })

  it('says no more than its reader takes', async () => {
    const { port } = await start()
    const ledger = join(temporaryDirectory(), 'said')
    const script = `
      const { writeFileSync } = require('node:fs')
      let said = 0
      const more = () => { while (process.stdout.write('x'.repeat(65536))) said++; }
      process.stdout.on('drain', more); more()
      setInterval(() => writeFileSync(${JSON.stringify(ledger)}, String(said * 65536)), 20)`
    const { said, answer, leave } = send(port, command(script))
    await eventually(
      () => said.bytes > 1e6,
      () => 'says nothing',
    )
    answer().pause()
    const before = said.bytes
    const written = () => (existsSync(ledger) ? Number(readFileSync(ledger, 'utf8')) : 0)
    await untilStill(written)
    // It could fill the buffers on the way, and no more.
    expect(written() - before).toBeLessThan(200e6)
    answer().resume()
    await eventually(
      () => said.bytes > before + 5e6,
      () => 'does not go on',
    )
    leave()
  })

  it('ends with its whole tree when its reader leaves', async () => {
    const { port } = await start()
    const script = `
      const { spawn } = require('node:child_process')
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true })
      process.on('SIGTERM', () => {})
      console.log(process.pid + ' ' + child.pid)
      setInterval(() => {}, 1000)`
    const { said, leave } = send(port, command(script))
    await eventually(
      () => said.stdout.includes('\n'),
      () => 'says nothing',
    )
    const processes = said.stdout
      .trim()
      .split(' ')
      .map((pid) => ({ pid: Number(pid), startTime: startTimeOf(Number(pid)), marker: '' }))
    expect(processes.map(isAlive)).toEqual([true, true])
    leave()
    await eventually(
      () => !processes.some(isAlive),
      () => 'lives on',
    )
  })

  it('that leaves something behind which goes on talking ends all the same', async () => {
    const { port } = await start()
    const script = `
      const { spawn } = require('node:child_process')
      spawn(process.execPath, ['-e', 'setInterval(() => console.log(1), 100)'], { stdio: 'inherit' }).unref()
      process.exitCode = 3`
    expect(await send(port, command(script)).closed).toMatchObject({ code: 3 })
  })

  it('beyond sixteen at once is told so, and those that follow a log end with the gateway', async () => {
    const { port, gateway, commands } = await start()
    const follow = Array.from({ length: 16 }, () =>
      send(port, command(`console.log('up'); setInterval(() => {}, 1000)`)),
    )
    await eventually(
      () => follow.every(({ said }) => said.stdout === 'up\n'),
      () => 'not all run',
    )
    expect((await send(port, command('')).closed).status).toBe(429)
    expect(commands).toHaveLength(16)
    await gateway.close(60_000)
    for (const { closed } of follow) expect((await closed).code).toBe(143)
  })

  it.each<[string, Partial<RemoteControlOptions>, (request: ReturnType<typeof command>) => void, number]>([
    ['whose input was changed', {}, ({ body }) => (body[body.length - 1] = 66), 403],
    ['whose arguments were changed', {}, ({ body }) => (body[30] = 66), 403],
    ['that is longer than allowed', { maxBody: 1_000_000 }, () => {}, 400],
    ['for which the disk has no place', { spoolDirectory: '/dev/null/x' }, () => {}, 500],
  ])('%s is not run', async (_, overrides, change, status) => {
    const { port, commands, spoolDirectory } = await start(overrides)
    const request = command('', Buffer.alloc(2_000_000, 65))
    change(request)
    expect((await send(port, request).closed).status).toBe(status)
    expect(commands).toEqual([])
    expect(readdirSync(spoolDirectory)).toEqual([])
  })

  it('that is garbage, though signed, is not run', async () => {
    const { port, commands } = await start()
    for (const body of ['', '\0\0', '\xff\xff\xff\xff{}', '\0\0\0\x02{}', '<html>'])
      expect((await send(port, signed(Buffer.from(body, 'latin1'))).closed).status).toBe(400)
    expect(commands).toEqual([])
  })

  it('of which nothing more comes is given up, and nothing was run', async () => {
    const { port, commands } = await start({}, (options) => ({ ...options, limits: { body: 200 } }))
    const input = Buffer.alloc(100_000)
    expect((await send(port, command('', input), 50_000).closed).status).toBe(408)
    const left = send(port, command('', input), 50_000)
    await delay(50)
    left.leave()
    await left.closed
    expect(commands).toEqual([])
  })
})

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

function digestOf(body: string): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
}

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, open } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { leave } from './harness/nothing-left.ts'
import { forgetPeak, memoryOf } from './harness/processes.ts'
import { basic, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'

const MIB = 1024 * 1024
/** 200 MiB by default, or as many as TRANSFER_MIB says. */
const SIZE = Number(process.env['TRANSFER_MIB'] ?? 200) * MIB
const BLOCK = 64 * 1024
/** What a transfer of any size may cost at most. */
const ROOM = 64 * MIB

/** What arrives, at either side. */
const hash = hashOf(counted(SIZE))

let project: Project
let running: Running
let before: number

beforeAll(async () => {
  project = await Project.create(echoYaml('{ django1: {}, django2: {} }'))
  running = await Running.up(project)
  await project.addUser('graham', 'django1')
  await project.addUser('brian', 'django2')
  // What is loaded and compiled once is not what is measured.
  for (const user of ['graham', 'brian']) {
    await ask(running.url, '/hash', { user, method: 'POST', body: Readable.from(counted(8 * MIB)) })
    await drain(await open(running.url, `/zeros/${8 * MIB}`, { user }))
  }
})
beforeEach(async () => {
  await forgetPeak(running.child.pid!)
  before = (await memoryOf(running.child.pid!)).now
})
afterAll(async () => {
  await leave(project, running)
})

/** As `/counted` of the instance answers. */
function* counted(size: number): Generator<Buffer> {
  for (let at = 0; at < size; at += BLOCK) {
    const block = Buffer.alloc(BLOCK)
    block.writeUInt32BE(at / BLOCK)
    yield block
  }
}

async function hashOf(blocks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const block of blocks) hash.update(block)
  return hash.digest('hex')
}

async function drain(response: IncomingMessage): Promise<number> {
  let length = 0
  for await (const chunk of response) length += (chunk as Buffer).length
  return length
}

async function growth(what: string): Promise<number> {
  const grown = (await memoryOf(running.child.pid!)).peak - before
  process.stdout.write(`${what}: the supervisor grew by ${(grown / MIB).toFixed(1)} MiB at its peak\n`)
  return grown
}

describe('hundreds of megabytes arrive as they were sent, and cost the supervisor next to no memory,', () => {
  it.each([
    ['up, with their length', { 'content-length': String(SIZE) }],
    ['up, chunked', {}],
  ])('%s', async (way, headers: Record<string, string>) => {
    const body = Readable.from(counted(SIZE))
    const answer = await ask(running.url, '/hash', {
      user: 'graham',
      method: 'POST',
      headers,
      body,
    })
    expect(answer.json()).toEqual({ length: SIZE, sha256: await hash })
    expect(await growth(way)).toBeLessThan(ROOM)
  })

  it.each([
    ['down, with their length', ''],
    ['down, chunked', '?chunked'],
  ])('%s', async (way, query) => {
    const answer = await open(running.url, `/counted/${SIZE}${query}`, { user: 'graham' })
    expect(await hashOf(answer)).toBe(await hash)
    expect(await growth(way)).toBeLessThan(ROOM)
  })
})

it('a client that hardly reads makes the instance wait, and nobody else', async () => {
  const response = await open(running.url, `/zeros/${SIZE}`, { user: 'graham' })
  await once(response, 'readable')
  response.read()
  await wait(1_500)
  expect(await growth('a client that hardly reads')).toBeLessThan(ROOM)
  expect((await ask(running.url, '/', { user: 'brian' })).status).toBe(200)
  expect((await ask(running.url, '/', { user: 'graham' })).status).toBe(200)
  response.destroy()
})

it('an instance that does not read makes the client wait, and nobody else', async () => {
  const { hostname, port } = new URL(running.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(
    `POST /hang HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: ${basic('graham')}\r\nContent-Length: ${SIZE}\r\n\r\n`,
  )
  const block = Buffer.alloc(MIB)
  let sent = 0
  const pump = () => {
    while (sent < SIZE && socket.write(block)) sent += MIB
  }
  socket.on('drain', pump)
  pump()
  await wait(1_500)
  expect(sent).toBeLessThan(ROOM)
  expect(await growth('an instance that does not read')).toBeLessThan(ROOM)
  expect((await ask(running.url, '/', { user: 'brian' })).status).toBe(200)
  socket.destroy()
  // That the client has left is behind what nobody reads: without this, mux would wait for both of them at its end.
  expect((await ask(running.url, '/die', { user: 'graham' })).status).toBe(502)
})

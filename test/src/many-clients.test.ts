import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { collected, INSPECTED } from './harness/collected.ts'
import { echoYaml } from './harness/echo.ts'
import { leave } from './harness/nothing-left.ts'
import { descriptorsOf, forgetPeak, memoryOf, processesOf } from './harness/processes.ts'
import { basic, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { until } from './harness/until.ts'

const MIB = 1024 * 1024
const CONNECTIONS = 1_200
/** What each WebSocket that does not read is sent, how many there are for each slow side, and what mux may grow by. */
const FLOOD = 16 * MIB
const EACH = 12
const ROOM = 128 * MIB
/** Descriptors by which a process may differ from before, such as those of kept connections. */
const GIVE = 4

let project: Project
let running: Running
let ledger: string

beforeAll(async () => {
  project = await Project.create('')
  ledger = project.path('ledger')
  const yaml = echoYaml('{ django1: {}, django2: { limits: { response: 6s } } }', {
    drain: '5s',
    settings: `, LEDGER: ${JSON.stringify(ledger)}`,
  })
  await project.write(
    'mux.yaml',
    yaml.replace('edge: {', `edge: { limits: { connections: ${CONNECTIONS}, requests: 1000 },`),
  )
  running = await Running.up(project, [], INSPECTED)
  await project.addUser('graham', 'django1')
  await project.addUser('brian', 'django2')
  for (const user of ['graham', 'brian']) expect((await ask(running.url, '/', { user })).status).toBe(200)
})
afterAll(async () => {
  await leave(project, running)
})

/** Connections to mux, each of which has sent so many bytes, and is closed by the test. */
function open(count: number, bytes = ''): Socket[] {
  const { hostname, port } = new URL(running.url)
  return Array.from({ length: count }, () => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    if (bytes !== '') socket.write(bytes)
    return socket
  })
}

/** Resolves when an answer has begun on each; fails when it is not the one that was hoped for. */
async function answered(sockets: readonly Socket[]): Promise<void> {
  const signal = AbortSignal.timeout(200_000)
  const heads = await Promise.all(sockets.map((socket) => once(socket, 'data', { signal })))
  for (const [head] of heads) expect(String(head)).toMatch(/^HTTP\/1\.1 (?:200|101) /)
}

/** How many mux has open, and each instance. */
async function descriptors(): Promise<number[]> {
  const pids = [running.child.pid!, ...(await processesOf(project)).map(({ pid }) => pid)]
  return Promise.all(pids.map(async (pid) => (await descriptorsOf(pid)).length))
}

/** Waits until mux, and each of the instances that are named behind it, have as many descriptors open as before. */
async function descriptorsReturn(before: readonly number[]): Promise<void> {
  let now: number[] = []
  const areBack = async () => {
    now = await descriptors()
    return before.every((count, at) => now[at]! <= count + GIVE) ? true : undefined
  }
  await until('the return of all descriptors', areBack).catch((error: Error) => {
    throw new Error(`${error.message}: ${now.join()} instead of ${before.join()}`)
  })
}

const request = (target: string, user = 'graham') =>
  `GET ${target} HTTP/1.1\r\nHost: a\r\nAuthorization: ${basic(user)}\r\n\r\n`
const upgrade = (target: string, user?: string) =>
  request(target, user).replace(
    '\r\n\r\n',
    '\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )

it('idle connections beyond the limit are closed as they come, and leave nothing behind', async () => {
  const before = await descriptors()
  const idle = open(CONNECTIONS + 800).map((socket) => socket.resume())
  await until('the refusal of what is too many', () =>
    idle.filter(({ closed }) => closed).length === 800 ? true : undefined,
  )
  // A client that is refused sees its end a moment before mux is rid of it.
  await descriptorsReturn([before[0]! + CONNECTIONS])
  for (const socket of idle) socket.destroy()
  await descriptorsReturn(before)
  expect((await ask(running.url, '/', { user: 'graham' })).status).toBe(200)
  expect(running.output().match(/connections_full/g)).toHaveLength(1)
})

it('a thousand clients that leave in the middle of an answer are gone for their instance at once', async () => {
  const before = await descriptors()
  const clients = open(1_000, request('/linger'))
  await answered(clients)
  const left = performance.now()
  for (const client of clients) client.destroy()
  await until('what the instance says of each', async () =>
    (await project.read('ledger')).match(/^left django1 \/linger$/gm)?.length === 1_000 ? true : undefined,
  )
  // A second at rest. On a machine that has much else to do it is only sure to be before the instance would end by itself.
  process.stdout.write(`1,000 clients that leave: ${Math.round(performance.now() - left)} ms\n`)
  await descriptorsReturn(before)
})

it('fifty clients that read nothing of a hundred megabytes each make their instance wait, and mux holds little', async () => {
  const before = await descriptors()
  const memory = (await collected(running)).heap
  const clients = open(50, request('/zeros/100000000'))
  await answered(clients)
  for (const client of clients) client.pause()
  const read = () => clients.map(({ bytesRead }) => bytesRead).join()
  await still(read)
  const held = (await collected(running)).heap - memory
  process.stdout.write(`50 clients that do not read: mux holds ${(held / MIB).toFixed(1)} MiB more\n`)
  expect(held).toBeLessThan(50 * 0.5 * MIB)
  expect((await ask(running.url, '/', { user: 'brian' })).status).toBe(200)
  for (const client of clients) client.destroy()
  await descriptorsReturn(before)
})

it('of three hundred WebSockets at once, those of which one side does not read make the other wait, and mux holds little', async () => {
  const before = await descriptors()
  const pid = running.child.pid!
  const quiet = open(300 - 2 * EACH, upgrade('/ws'))
  await answered(quiet)
  await forgetPeak(pid)
  const memory = (await memoryOf(pid)).now
  const slow = open(EACH, upgrade(`/ws-flood/${FLOOD}`)).map((client) => client.pause())
  const toDeaf = open(EACH, upgrade('/ws-deaf', 'brian'))
  await answered(toDeaf)
  for (const client of toDeaf) pour(client)
  await still(() => toDeaf.map(({ bytesWritten }) => bytesWritten).join())
  for (const { writableLength } of toDeaf) expect(writableLength).toBeGreaterThan(0)
  const grown = (await memoryOf(pid)).peak - memory
  process.stdout.write(
    `300 WebSockets, ${2 * EACH} of them slow: mux grew by ${(grown / MIB).toFixed(1)} MiB\n`,
  )
  expect(grown).toBeLessThan(ROOM)
  expect((await ask(running.url, '/', { user: 'brian' })).status).toBe(200)
  // What waited is all there.
  for (const client of slow.slice(0, 2)) expect(await lengthOf(client)).toBeGreaterThan(FLOOD)
  for (const client of [...quiet, ...slow, ...toDeaf]) client.destroy()
  // Not those of the instance that reads nothing: it does not even see the end.
  await descriptorsReturn(before.slice(0, 1))
})

/** Writes for as long as the other side takes it: how much the system takes of it by itself is its own affair. */
function pour(socket: Socket): void {
  const block = Buffer.alloc(MIB)
  const more = () => {
    while (socket.write(block)) continue
  }
  socket.on('drain', more)
  more()
}

async function lengthOf(socket: Socket): Promise<number> {
  let length = 0
  for await (const chunk of socket) length += (chunk as Buffer).length
  return length
}

/** Waits until what is read is the same for half a second. */
async function still(read: () => string): Promise<void> {
  let last = ''
  let since = performance.now()
  await until('a standstill', () => {
    const now = read()
    if (now !== last) since = performance.now()
    last = now
    return performance.now() - since > 500 ? true : undefined
  })
}

import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { Dice, mutated } from './fuzz/mutations.ts'
import { valuesOf } from './harness/client.ts'
import { type Door, embeddedDoor, gatewayDoor } from './harness/door.ts'
import { exchangeRaw, sayAndEnd } from './harness/raw.ts'
import { within } from './harness/until.ts'

/** By default so long, at both doors at once; with FUZZ_REQUESTS, so many requests at each instead. */
const SECONDS = process.env['CI'] ? 60 : 6
const requests = Number(process.env['FUZZ_REQUESTS'] ?? Infinity)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
const AT_ONCE = 16
/** Clients that send a header a byte at a time meanwhile. */
const DRIPPING = 500
/** Far more than what a process takes for a while under load, in bytes: its heap is the same after any number of requests. */
const GROWTH = 400 * 1024 * 1024

it.concurrent.for([
  ['the edge of mux up', embeddedDoor],
  ['the gateway of a host', gatewayDoor],
] as const)(
  'whatever bytes come, %s stays up, answers others, and tells no instance of another user',
  { timeout: 3_600_000 },
  async ([, start], { onTestFinished }) => {
    const door = await start()
    onTestFinished(() => door.close())
    const corpus = corpusFor(door)
    for (const text of corpus)
      expect(await exchangeRaw(door.url, latin1(text))).toMatch(/^HTTP\/1\.1 (?:200|101)/)
    const before = residentBytes(door)
    await Promise.all([dripHeaders(door), attackFor(door, corpus)])
    expect(residentBytes(door) - before, `seed ${seed}`).toBeLessThan(GROWTH)
  },
)

async function attackFor(door: Door, corpus: readonly string[]): Promise<void> {
  const dice = new Dice(seed)
  const end = requests === Infinity ? performance.now() + SECONDS * 1000 : Infinity
  let sent = 0
  const attack = async (): Promise<void> => {
    while (sent < requests && performance.now() < end) {
      const number = sent++
      const text = mutated(corpus, dice)
      const received = await sayAndEnd(door.url, latin1(text))
      const fault = faultIn(received)
      if (fault)
        throw new Error(`seed ${seed}, request ${number}: ${fault}\n${JSON.stringify(text)}\n${received}`)
      if (number % 100 === 0) await expectHealthy(door, number)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, attack))
  expect(sent).toBeGreaterThan(100)
  // oxlint-disable-next-line no-console -- so that a run can be compared with another, and repeated
  console.log(`${door.url}: ${sent} requests, seed ${seed}`)
}

/** Requests that are good, each of which its door takes. A signature is for one request, so that each is there to be spoilt. */
function corpusFor({ proof }: Door): string[] {
  const head = (method: string, target: string, ...headers: string[]) =>
    [`${method} ${target} HTTP/1.1`, 'Host: notes.example', ...headers, proof(method, target)].join('\r\n')
  return [
    `${head('GET', '/a?b=c', 'Connection: close', 'Cookie: a=1; b=2', 'X-App: 1')}\r\n`,
    `${head('OPTIONS', '/', 'Connection: close')}\r\n`,
    `${head('GET', '/kept', 'X-App: 1')}\r\n${head('GET', '/last', 'Connection: close')}\r\n`,
    `${head('GET', '/body', 'Connection: close', 'Content-Length: 5')}\r\nhello`,
    `${head('GET', '/chunks', 'Connection: close', 'Transfer-Encoding: chunked')}\r\n5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n`,
  ]
}

/** What an answer must not say, whatever it answers. */
function faultIn(received: string): string | undefined {
  if (received !== '' && !received.startsWith('HTTP/1.1 ')) return 'it is no answer'
  if (/"code":"internal"|^HTTP\/1\.1 5(?!02)/m.test(received)) return 'mux met a defect'
  for (const [document] of received.matchAll(/\{"instance":[^\r\n]*\}/g)) {
    const { instance, headers } = JSON.parse(document) as { instance: string; headers: string[] }
    if (instance !== 'django1') return 'another instance answered'
    for (const name of ['mux-user', 'x-remote-user']) {
      if (valuesOf(headers, name).join('|') !== 'graham') return `the instance was told ${name} otherwise`
    }
    const folded = headers
      .filter((_, at) => at % 2 === 0)
      .map((name) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-'))
    for (const name of [
      'mux-user',
      'mux-instance',
      'x-remote-user',
      'x-request-id',
      'x-forwarded-host',
      'host',
    ]) {
      if (folded.filter((one) => one === name).length > 1) return `the instance was told ${name} twice`
    }
  }
  return undefined
}

async function expectHealthy(door: Door, number: number): Promise<void> {
  const target = `/healthy/${number}`
  const text = `GET ${target} HTTP/1.1\r\nHost: notes.example\r\n${door.proof('GET', target)}Connection: close\r\n\r\n`
  const received = await exchangeRaw(door.url, text)
  expect(received, `seed ${seed}, after request ${number}`).toMatch(/^HTTP\/1\.1 200/)
  expect(received).toContain(`"target":"${target}"`)
}

/** Clients that send a header for ever, a byte at a time, meanwhile; each is told 408 and left, within 20 s and what a machine takes. */
async function dripHeaders({ url }: Door): Promise<void> {
  const { hostname, port } = new URL(url)
  const slow = async (): Promise<string> => {
    const socket: Socket = connect(Number(port), hostname)
    let received = ''
    let isReset = false
    socket.on('data', (chunk) => (received += String(chunk)))
    socket.on('error', () => (isReset = true))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write('GET / HTTP/1.1\r\nX-Slow: ')
    const dripping = setInterval(() => socket.write('a'), 500)
    await within('the end of who is slow', closed, 200_000).finally(() => clearInterval(dripping))
    // Whose next byte comes just behind the end is reset, and may not get to read what was said.
    if (received !== '' || !isReset) expect(received).toMatch(/^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
    return received
  }
  const all = await Promise.all(Array.from({ length: DRIPPING }, slow))
  expect(all.filter((received) => received !== '').length).toBeGreaterThan(DRIPPING / 2)
}

function residentBytes({ running }: Door): number {
  const status = readFileSync(`/proc/${running.child.pid}/status`, 'latin1')
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1024
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

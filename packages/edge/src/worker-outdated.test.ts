import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type BareWorker, KvShim, startBareWorker } from './fixtures/bare-workerd.ts'
import { basic } from './fixtures/edge-under-test.ts'
import { PASSWORD, PASSWORD_HASH } from './fixtures/memory-registry.ts'
import { browse } from './fixtures/raw-client.ts'
import { listen } from './fixtures/listen.ts'
import { asGateway, EDGE_KEY } from './fixtures/proof.ts'
import { buildWorker, COMPATIBILITY_DATE } from './fixtures/built-worker.ts'

const SECRETS = {
  EDGE_KEY,
  SESSION_KEY: Buffer.alloc(32, 2).toString('base64'),
}
/** What a host does, by its name: it knows versions of users, and refuses what is older. */
interface Host {
  knows: Map<string, number>
  /** Instances that it does not have, and what it says of a version then. */
  lacks: Set<string>
  named: string | undefined
  /** What KV comes to have before it refuses for the first time; not earlier, or a Worker that is slow reads it by itself. */
  beforeRefusing: (() => void) | undefined
  asked: IncomingMessage[]
  bodies: string[]
  origin: string
  close: () => void
}

async function startHost(): Promise<Host> {
  const host: Omit<Host, 'origin'> = {
    knows: new Map(),
    lacks: new Set(),
    named: undefined,
    beforeRefusing: undefined,
    asked: [],
    bodies: [],
    close: () => (server.close(), server.closeAllConnections()),
  }
  const server = createServer(
    asGateway((incoming, outgoing) => {
      host.asked.push(incoming)
      const known = host.knows.get(String(incoming.headers['mux-user'])) ?? 0
      const isOutdated = Number(incoming.headers['mux-version']) < known
      if (isOutdated) {
        host.beforeRefusing?.()
        return refuse(outgoing, { 'mux-version': known })
      }
      if (host.lacks.has(String(incoming.headers['mux-instance'])))
        return refuse(outgoing, host.named === undefined ? {} : { 'mux-version': host.named })
      let body = ''
      incoming.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')))
      incoming.on('end', () => {
        host.bodies.push(body)
        outgoing.end(`${String(incoming.headers['mux-instance'])} ${body.length}`)
      })
    }),
  )
  return Object.assign(host, { origin: await listen(server) })
}

function refuse(outgoing: ServerResponse, headers: Record<string, number | string>): void {
  const body = JSON.stringify({ code: 'misdirected' })
  outgoing
    .writeHead(421, { ...headers, 'mux-problem': 'misdirected', 'content-length': body.length })
    .end(body)
}

describe('a host that knows better', () => {
  const kv = new KvShim()
  let worker: BareWorker
  let a: Host
  let b: Host
  let users = 0
  beforeAll(async () => {
    a = await startHost()
    b = await startHost()
    const source = await buildWorker()
    worker = await startBareWorker({
      source,
      compatibilityDate: COMPATIBILITY_DATE,
      kv,
      texts: SECRETS,
    })
  })
  afterAll(async () => {
    await worker.close()
    a.close()
    b.close()
  })
  beforeEach(() => {
    for (const host of [a, b]) {
      host.asked.length = host.bodies.length = 0
      host.lacks.clear()
      host.named = host.beforeRefusing = undefined
    }
    kv.reads.length = 0
  })

  function record(version: number, { origin }: Host, change: object = {}): object {
    return {
      v: 1,
      instance: origin === a.origin ? 'django-a' : 'django-b',
      target: { host: origin === a.origin ? 'a' : 'b', origin },
      password: PASSWORD_HASH,
      disabled: false,
      version,
      changed: '2026-11-22T10:00:00.000Z',
      ...change,
    }
  }

  /** A user of their own for each test, on host a at version 7, whom the Worker has served already. */
  async function served(): Promise<{ user: string; ask: (init?: RequestInit) => Promise<Response> }> {
    users += 1
    const user = `user${users}`
    kv.put(`user:${user}`, record(7, a))
    const headers = { authorization: basic(user, PASSWORD) }
    const ask = (init: RequestInit = {}) => fetch(`${worker.url}/`, { redirect: 'manual', headers, ...init })
    expect(await (await ask()).text()).toBe('django-a 0')
    a.asked.length = a.bodies.length = 0
    return { user, ask }
  }

  test('of a move that KV has: the request goes to the other host, and its client notices nothing', async () => {
    const { user, ask } = await served()
    a.beforeRefusing = () => kv.put(`user:${user}`, record(9, b))
    a.knows.set(user, 9)
    const answer = await ask()
    expect([answer.status, await answer.text()]).toEqual([200, 'django-b 0'])
    expect([a.asked.length, b.asked.length]).toEqual([1, 1])
    expect(b.asked[0]!.headers['mux-version']).toBe('9')
    await ask()
    expect([a.asked.length, b.asked.length]).toEqual([1, 2])
    const lines = worker.log.filter((line) => line.includes('decision_outdated'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('"version":"9"')
    expect(lines[0]).not.toContain(PASSWORD)
  })

  test.each([
    ['of a known length up to 64 KiB goes along, whole', 64 * 1024, [200, 'django-b 65536']],
    [
      'that is longer was sent, and its client is asked to send it again',
      64 * 1024 + 1,
      [503, 'registry_stale'],
    ],
  ])('a body %s', async (_what, size, [status, text]) => {
    const { user, ask } = await served()
    a.beforeRefusing = () => kv.put(`user:${user}`, record(9, b))
    a.knows.set(user, 9)
    const headers = { authorization: basic(user, PASSWORD) }
    const answer = await ask({ method: 'POST', headers, body: Buffer.alloc(size, 'x') })
    expect(answer.status).toBe(status)
    expect(await answer.text()).toContain(text)
    if (status === 503) expect(answer.headers.get('retry-after')).toBe('1')
    expect(b.bodies).toEqual(status === 200 ? ['x'.repeat(size)] : [])
    const again = await ask({ method: 'POST', headers, body: Buffer.alloc(size, 'x') })
    expect(await again.text()).toBe(`django-b ${size}`)
  })

  test('a WebSocket is opened at the other host, too', async () => {
    const { user } = await served()
    a.beforeRefusing = () => kv.put(`user:${user}`, record(9, b))
    a.knows.set(user, 9)
    const headers = { authorization: basic(user, PASSWORD) }
    const socket = new WebSocket(worker.url.replace('http:', 'ws:'), { headers })
    socket.addEventListener('error', () => {})
    await expect.poll(() => b.asked.length).toBe(1)
    expect(b.asked[0]!.headers).toMatchObject({ 'mux-version': '9', upgrade: 'websocket' })
    expect(a.asked).toHaveLength(1)
  })

  test('a body in pieces is not kept, however short it is', async () => {
    const { user, ask } = await served()
    a.beforeRefusing = () => kv.put(`user:${user}`, record(9, b))
    a.knows.set(user, 9)
    const pieces = new ReadableStream({
      start: (controller) => {
        controller.enqueue(Buffer.from('x'))
        controller.close()
      },
    })
    const answer = await ask({ method: 'POST', body: pieces, duplex: 'half' })
    expect([answer.status, b.asked.length]).toEqual([503, 0])
  })

  test('while KV has nothing newer nobody is served by what is old, and the host is asked once', async () => {
    const { user, ask } = await served()
    a.knows.set(user, 9)
    const answers = []
    for (let i = 0; i < 5; i += 1) answers.push(await ask())
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503])
    expect(answers[0]!.headers.get('retry-after')).toBe('5')
    expect(await answers[0]!.json()).toMatchObject({ code: 'registry_stale' })
    expect([a.asked.length, b.asked.length]).toEqual([1, 0])
    // In all, no more than when nothing is wrong: the first reading, and the one after the refusal.
    expect(kv.reads.filter((key) => key === `user:${user}`).length).toBeLessThanOrEqual(3)
    kv.put(`user:${user}`, record(9, b))
    await expect.poll(async () => (await ask()).status, { interval: 200 }).toBe(200)
    expect(a.asked).toHaveLength(1)
  })

  test('a record that is newer, and still not new enough for the host, is no way around it', async () => {
    const { user, ask } = await served()
    a.beforeRefusing = () => kv.put(`user:${user}`, record(8, a))
    a.knows.set(user, 9)
    expect((await ask()).status).toBe(503)
    expect([a.asked.length, b.asked.length]).toEqual([1, 0])
  })

  test('a second refusal is the last: the request is not sent a third time', async () => {
    const { user, ask } = await served()
    a.beforeRefusing = () => kv.put(`user:${user}`, record(9, b))
    a.knows.set(user, 9)
    b.knows.set(user, 10)
    const answer = await ask()
    expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'registry_stale' }])
    expect([a.asked.length, b.asked.length]).toEqual([1, 1])
  })

  test.each([
    ['who is disabled', { disabled: true }, 401],
    ['whose password is another', { password: PASSWORD_HASH.replace(/.$/, 'A') }, 401],
    ['whose instance was taken away', { instance: null, target: null }, 403],
  ])('somebody %s is judged by the new record, and reaches no host by it', async (_what, change, status) => {
    const { user, ask } = await served()
    a.beforeRefusing = () => kv.put(`user:${user}`, record(9, a, change))
    a.knows.set(user, 9)
    expect((await ask()).status).toBe(status)
    expect(a.asked).toHaveLength(1)
  })

  test('somebody who was removed is nobody', async () => {
    const { user, ask } = await served()
    a.beforeRefusing = () => void kv.values.delete(`user:${user}`)
    a.knows.set(user, 9)
    expect((await ask()).status).toBe(401)
  })

  test('a session is good after a move, and over when it was ended: a browser is sent to sign in', async () => {
    const { user } = await served()
    const form = { username: user, password: PASSWORD, next: '/' }
    const signIn = await browse(`${worker.url}/_mux/signin`, { form })
    const cookie = signIn.headers['set-cookie']![0]!.split(';')[0]!
    const visit = () => browse(`${worker.url}/x`, { headers: { cookie } })
    a.beforeRefusing = () => kv.put(`user:${user}`, record(9, b, { epoch: 7 }))
    a.knows.set(user, 9)
    const moved = await visit()
    expect([moved.status, moved.text]).toEqual([200, 'django-b 0'])
    kv.put(`user:${user}`, record(10, b))
    b.knows.set(user, 10)
    const ended = await visit()
    expect([ended.status, ended.headers.location]).toEqual([303, '/_mux/signin?next=%2Fx'])
    expect([a.asked.length, b.asked.length]).toEqual([1, 2])
  })

  test('where no version is named, the record is read anew; if it says the same, so is the answer', async () => {
    const { user, ask } = await served()
    a.lacks.add('django-a')
    // Node's fetch would ask again by itself, on a new connection (Fetch section 4.6).
    const answer = await browse(worker.url, { headers: { authorization: basic(user, PASSWORD) } })
    expect([answer.status, answer.headers['content-type']]).toEqual([421, 'text/html; charset=UTF-8'])
    expect(a.asked).toHaveLength(1)
    // Until what was read is old enough for being doubted.
    await new Promise((resolve) => setTimeout(resolve, 600))
    kv.put(`user:${user}`, record(8, b))
    expect(await (await ask()).text()).toBe('django-b 0')
    expect(b.asked).toHaveLength(1)
    // Or asked no more, where the Worker has read it again by itself since.
    expect(a.asked.length).toBeLessThanOrEqual(2)
  })

  test.each(['0', '-1', '1e9', '9'.repeat(17), 'x'])(
    '%s is no version, and locks nobody out',
    async (version) => {
      const { ask } = await served()
      a.lacks.add('django-a')
      a.named = version
      expect((await ask()).status).toBe(421)
      a.lacks.clear()
      expect((await ask()).status).toBe(200)
    },
  )
})

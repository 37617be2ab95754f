import { createServer, type Server, type ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type BareWorker, KvShim, startBareWorker } from './fixtures/bare-workerd.ts'
import { basic } from './fixtures/edge-under-test.ts'
import { PASSWORD, PASSWORD_HASH } from './fixtures/memory-registry.ts'
import { browse } from './fixtures/raw-client.ts'
import { createToken } from './tokens.ts'
import { listen } from './fixtures/listen.ts'
import { asGateway, EDGE_KEY } from './fixtures/proof.ts'
import { buildWorker, COMPATIBILITY_DATE } from './fixtures/built-worker.ts'
import { userRecord } from './fixtures/user-record.ts'

const SECRETS = {
  EDGE_KEY,
  SESSION_KEY: Buffer.alloc(32, 2).toString('base64'),
}
/** How long the Worker holds what it has read, in milliseconds. */
const HELD = 2_000
/** What a request may take when KV does not answer, by the documentation, and what a busy machine adds. */
const LIMIT = 5_000
const SLACK = 5_000

const FAULTS: ((key: string, outgoing: ServerResponse) => true)[] = [
  (_key, outgoing) => (outgoing.writeHead(500).end('KV says secret-of-kv'), true),
  (_key, outgoing) => (outgoing.socket!.destroy(), true),
  (_key, outgoing) => {
    outgoing.writeHead(200, { 'content-length': 500 }).write('{"v":1,')
    setTimeout(() => outgoing.destroy(), 20)
    return true
  },
  (_key, outgoing) => (outgoing.writeHead(429).end(), true),
]

describe('the real Worker, when KV', () => {
  const kv = new KvShim()
  let worker: BareWorker
  let host: Server
  let origin: string
  let served: number
  beforeAll(async () => {
    host = createServer(
      asGateway((_incoming, outgoing) => {
        served += 1
        outgoing.end('served')
      }),
    )
    origin = await listen(host)
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
    host.close()
    host.closeAllConnections()
  })
  beforeEach(() => {
    kv.behaviour = undefined
    kv.reads.length = 0
    served = 0
  })

  let users = 0
  function addUser(change: object = {}): string {
    users += 1
    const user = `user${users}`
    kv.put(`user:${user}`, userRecord(origin, change))
    return user
  }

  function ask(user: string, path = '/', init: RequestInit = {}): Promise<Response> {
    return fetch(worker.url + path, {
      redirect: 'manual',
      headers: { authorization: basic(user, PASSWORD) },
      ...init,
    })
  }

  async function signIn(user: string): Promise<string> {
    const form = { username: user, password: PASSWORD, next: '/' }
    const { headers } = await browse(`${worker.url}/_mux/signin`, { form })
    return headers['set-cookie']![0]!.split(';')[0]!
  }

  async function expectUnavailable(answer: Response): Promise<void> {
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('5')
    expect(await answer.json()).toMatchObject({ code: 'registry_unavailable' })
  }

  function pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds))
  }

  test('throws, breaks off, says half of a value or that it has enough, nobody gets in and nobody is told that they are nobody', async () => {
    const user = addUser()
    const cookie = await signIn(user)
    expect((await ask(user)).status).toBe(200)
    await pause(HELD + 100)
    served = 0
    for (const behaviour of FAULTS) {
      kv.behaviour = behaviour
      await expectUnavailable(await ask(user))
      await expectUnavailable(await ask('somebody-new'))
      await expectUnavailable(await ask('', '/', { headers: { cookie } }))
      await expectUnavailable(
        await ask('', '/', { headers: { authorization: `Bearer ${createToken().token}` } }),
      )
      const page = await browse(worker.url, { headers: { cookie } })
      expect([page.status, page.headers['retry-after']]).toEqual([503, '5'])
      const form = { username: user, password: PASSWORD }
      expect((await browse(`${worker.url}/_mux/signin`, { form })).status).toBe(503)
      expect((await ask('', '/_mux/health', { headers: {} })).status).toBe(503)
    }
    expect(served).toBe(0)
    expect(worker.log.join('\n')).not.toContain('secret-of-kv')
    kv.behaviour = undefined
    expect((await ask(user)).status).toBe(200)
  })

  test('never answers, that is said within five seconds, and others are served meanwhile', async () => {
    const [waits, goes] = [addUser(), addUser()]
    kv.behaviour = (key) => key === `user:${waits}`
    const began = performance.now()
    const all = Array.from({ length: 4 }, async () => {
      await expectUnavailable(await ask(waits))
      return performance.now() - began
    })
    expect((await ask(goes)).status).toBe(200)
    for (const took of await Promise.all(all)) expect(took).toBeLessThan(LIMIT + SLACK)
    expect(kv.reads.filter((key) => key === `user:${waits}`).length).toBeLessThanOrEqual(4)
  })

  test.each<[string, (record: object) => string | Buffer]>([
    ['nothing', () => ''],
    ['what is no JSON', (record) => `${JSON.stringify(record).slice(0, -1)},secret-value`],
    ['something of another shape', () => JSON.stringify({ v: 1, password: 'secret-value' })],
    ['a record of a later mux', (record) => JSON.stringify({ ...record, v: 2, note: 'secret-value' })],
    ['a record with a mark of the byte order', (record) => `\uFEFF${JSON.stringify(record)}`],
    ['25 MiB', () => Buffer.alloc(25 * 1024 * 1024, 'secret-value ')],
  ])('has %s for somebody, that is 503 for them and for nobody else', async (_what, damage) => {
    const [broken, whole] = [addUser(), addUser()]
    kv.values.set(`user:${broken}`, damage(userRecord(origin)))
    const before = worker.log.length
    await expectUnavailable(await ask(broken))
    expect((await ask(whole)).status).toBe(200)
    expect(served).toBe(1)
    await expect
      .poll(() => worker.log.slice(before).filter((line) => line.includes(`user:${broken}`)))
      .toHaveLength(1)
    expect(worker.log.join('\n')).not.toContain('secret-value')
  })

  test('sends somebody to an origin that is gone: 502, after one try', async () => {
    let connections = 0
    const gone = createTcpServer((socket) => {
      connections += 1
      socket.destroy()
    })
    const user = addUser({ target: { host: 'east', origin: await listen(gone) } })
    expect((await ask(user, '/', { method: 'POST', body: 'x' })).status).toBe(502)
    expect(connections).toBe(1)
    gone.close()
    expect((await ask(user)).status).toBe(502)
    expect(connections).toBe(1)
  })

  test('has a user and not their instance: the host decides; and an instance without a user is nobody’s', async () => {
    const user = addUser({ instance: 'unheard-of' })
    expect((await ask(user)).status).toBe(200)
    const instance = { v: 1, host: 'east', origin, state: 'open', message: null }
    kv.put('instance:lonely', instance)
    expect((await ask('lonely')).status).toBe(401)
    kv.put('route:*', { v: 1, instance: 'missing', access: 'signed-in' })
    const answer = await ask(addUser({ instance: null, target: null }))
    kv.values.delete('route:*')
    expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'instance_undefined' }])
  })

  test('gets a user who tried before, they are in as soon as what was read is not held any more', async () => {
    expect((await ask('late')).status).toBe(401)
    kv.put('user:late', userRecord(origin))
    const held = await ask('late')
    // Read again by then only where the machine took longer than it is held.
    const isReadOnce = kv.reads.filter((key) => key === 'user:late').length === 1
    expect(held.status).toBe(isReadOnce ? 401 : 200)
    await pause(HELD + 100)
    expect((await ask('late')).status).toBe(200)
  })

  test('learns that somebody is removed, disabled, or has another password, they are out as soon as what was read is not held any more', async () => {
    const changes = [
      undefined,
      { disabled: true, version: 8 },
      { password: PASSWORD_HASH.replace(/.$/, 'A'), version: 8 },
    ]
    const people = await Promise.all(
      changes.map(async (change) => {
        const user = addUser()
        return { user, change, cookie: await signIn(user) }
      }),
    )
    for (const { user, change } of people) {
      if (change === undefined) kv.values.delete(`user:${user}`)
      else kv.put(`user:${user}`, userRecord(origin, change))
    }
    await pause(HELD + 100)
    for (const { user, cookie } of people) {
      expect((await ask(user)).status).toBe(401)
      expect((await ask('', '/', { headers: { cookie } })).status).toBe(401)
    }
    expect(served).toBe(0)
  })

  test('takes half a second for each reading, a page of forty parts pays for it once', async () => {
    const user = addUser()
    const cookie = await signIn(user)
    await pause(HELD + 100)
    kv.reads.length = 0
    kv.behaviour = (key, outgoing) => {
      setTimeout(() => kv.answer(key, outgoing), 500)
      return true
    }
    const began = performance.now()
    expect((await browse(worker.url, { headers: { cookie } })).status).toBe(200)
    const page = performance.now() - began
    const parts = await Promise.all(
      Array.from({ length: 40 }, (_, i) => ask('', `/part${i}`, { headers: { cookie } })),
    )
    expect(parts.map(({ status }) => status)).toEqual(Array(40).fill(200))
    process.stdout.write(
      `With 500 ms a reading: the page in ${page.toFixed(0)} ms, with 40 parts in ${(performance.now() - began).toFixed(0)} ms, ${kv.reads.length} readings\n`,
    )
    // Each of the three that decide once, or now and then once more where the machine took longer than they are held.
    expect(kv.reads.length).toBeLessThanOrEqual(12)
  })

  test('is asked by 32 requests at once, it is asked once', async () => {
    const user = addUser()
    kv.behaviour = (key, outgoing) => {
      setTimeout(() => kv.answer(key, outgoing), 200)
      return true
    }
    const answers = await Promise.all(Array.from({ length: 32 }, () => ask(user)))
    expect(answers.map(({ status }) => status)).toEqual(Array(32).fill(200))
    // Or once more, where this process took so long to answer that others were not to wait for it.
    expect(kv.reads.filter((key) => key === `user:${user}`).length).toBeLessThanOrEqual(2)
  })

  test('is slow and the client for whom it was asked leaves, the others get their answers', async () => {
    const user = addUser()
    const left = Promise.withResolvers<void>()
    kv.behaviour = (key, outgoing) => {
      void left.promise.then(() => setTimeout(() => kv.answer(key, outgoing), 500))
      return true
    }
    const leave = new AbortController()
    const leaving = ask(user, '/', { signal: leave.signal })
    await expect.poll(() => kv.reads).toContain(`user:${user}`)
    const others = Array.from({ length: 8 }, () => ask(user))
    leave.abort()
    await expect(leaving).rejects.toThrow()
    left.resolve()
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(Array(8).fill(200))
    expect(kv.reads.filter((key) => key === `user:${user}`).length).toBeLessThanOrEqual(3)
  })

  test('fails, a public route is served by the last known way; who has to sign in is not', async () => {
    kv.put('instance:site', { v: 1, host: 'east', origin, state: 'open', message: null })
    kv.put('route:public.example', { v: 1, instance: 'site', access: 'public' })
    kv.put('route:private.example', { v: 1, instance: 'site', access: 'signed-in' })
    const user = addUser()
    const headers = { host: 'private.example', authorization: basic(user, PASSWORD) }
    const visit = () => browse(worker.url, { headers: { host: 'public.example' } })
    const health = async () => (await ask('', '/_mux/health', { headers: {} })).status
    expect(await health()).toBe(200)
    expect([(await visit()).status, (await browse(worker.url, { headers })).status]).toEqual([200, 200])
    await pause(HELD + 100)
    kv.behaviour = (_key, outgoing) => (outgoing.writeHead(500).end(), true)
    expect([(await visit()).status, (await browse(worker.url, { headers })).status]).toEqual([200, 503])
    expect(await health()).toBe(503)
    expect(served).toBe(3)
    await expect.poll(() => worker.log.join('\n')).toContain('registry_last_known')
  })
})

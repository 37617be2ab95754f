import { createServer } from 'node:http'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { FAILURE_LIMITS, FAILURE_WINDOW } from './failures.ts'
import { basic } from './fixtures/edge-under-test.ts'
import { listen } from './fixtures/listen.ts'
import { asGateway, EDGE_KEY } from './fixtures/proof.ts'
import { PASSWORD, PASSWORD_HASH } from './fixtures/memory-registry.ts'
import { browse } from './fixtures/raw-client.ts'
import { type Bundle, bundleWorker, CONFIG, startWorker } from './fixtures/worker-under-test.ts'

const SECRETS = {
  EDGE_KEY,
  SESSION_KEY: Buffer.alloc(32, 2).toString('base64'),
}
const GRAHAM = { authorization: basic('graham', PASSWORD) }
const USER = {
  v: 1,
  instance: 'django1',
  target: null,
  password: PASSWORD_HASH,
  disabled: false,
  version: 7,
  changed: '2026-11-22T10:00:00.000Z',
}

let bundle: Bundle
beforeAll(async () => {
  bundle = await bundleWorker()
})

describe('what is deployed', () => {
  test('is a bundle that wrangler takes, of a size that starts quickly', () => {
    process.stdout.write(`Worker bundle: ${(bundle.size / 1024).toFixed(0)} KiB\n`)
    expect(bundle.output).toContain('--dry-run: exiting now.')
    expect(bundle.size).toBeLessThan(300 * 1024)
    const imports = [...bundle.source.matchAll(/^import\b[^"']*["']([^"']+)["']/gm)].map(([, name]) => name!)
    expect([...new Set(imports)].toSorted()).toEqual([
      'cloudflare:sockets',
      'cloudflare:workers',
      // By its name of old, in bcryptjs.
      'crypto',
      'node:buffer',
      'node:crypto',
    ])
    // Neither what is for tests and for Node, nor what makes code of text, which the platform refuses.
    expect(bundle.source).not.toMatch(
      /process\.env|worker_threads|DatabaseSync|\beval\(|new Function\(|vitest|miniflare/,
    )
  })

  test('lets the platform answer nothing in our stead, and nobody in by another door', () => {
    expect(CONFIG.cache?.enabled ?? false).toBe(false)
    expect(CONFIG.workers_dev).toBe(false)
    expect(CONFIG.preview_urls).toBe(false)
    expect(CONFIG.observability).toMatchObject({ enabled: true, redact_query_string: true })
    expect(CONFIG.limits.cpu_ms).toBe(1000)
    // From here on Node's modules are there without being asked for; a date to come is refused when it is deployed.
    expect(CONFIG.compatibility_date >= '2026-08-04').toBe(true)
    expect(Date.parse(CONFIG.compatibility_date)).toBeLessThan(Date.now())
    expect(CONFIG.kv_namespaces.map(({ binding }) => binding)).toEqual(['REGISTRY'])
  })

  test('counts failures with the limits that an isolate has itself', () => {
    const limits = CONFIG.ratelimits.map(({ name, simple }) => [name, simple.limit, simple.period])
    expect(limits).toEqual([
      ['FAILURES_PAIR', FAILURE_LIMITS.pair, FAILURE_WINDOW / 1000],
      ['FAILURES_NETWORK', FAILURE_LIMITS.network, FAILURE_WINDOW / 1000],
      ['FAILURES_USER', FAILURE_LIMITS.user, FAILURE_WINDOW / 1000],
    ])
  })

  test('has its keys as secrets only', () => {
    expect(CONFIG.secrets).toEqual({ required: ['SESSION_KEY', 'EDGE_KEY'] })
    expect(Object.keys(CONFIG.vars)).toEqual(['IDENTITY_HEADER'])
  })
})

describe('without its keys', () => {
  test.each([
    ['EDGE_KEY', { SESSION_KEY: SECRETS.SESSION_KEY }],
    ['SESSION_KEY', { EDGE_KEY: SECRETS.EDGE_KEY }],
    ['SESSION_KEY', { ...SECRETS, SESSION_KEY: 'c2hvcnQ=' }],
    ['EDGE_KEY', { ...SECRETS, EDGE_KEY: 'not base64!' }],
  ])('every request fails, and the log names %s', async (name, secrets) => {
    const worker = await startWorker(bundle.source, CONFIG.compatibility_date, secrets)
    try {
      for (const path of ['/', '/_mux/health', '/_mux/signin']) {
        const answer = await fetch(worker.url + path, { headers: GRAHAM })
        expect(answer.status).toBe(500)
        expect(await answer.json()).toMatchObject({ code: 'internal' })
      }
      await expect.poll(() => worker.log.join('\n')).toContain(`The secret ${name} `)
    } finally {
      await worker.close()
    }
  })
})

test('failed sign-ins are counted by the platform, besides the isolate itself', async () => {
  const worker = await startWorker(bundle.source, CONFIG.compatibility_date, SECRETS, 3)
  onTestFinished(() => worker.close())
  const statuses: number[] = []
  // The platform lets three in, and counts anew at each full minute; the isolate by itself would let ten in.
  while (statuses.length < 9 && statuses.at(-1) !== 429) {
    const headers = { authorization: basic('nobody', 'wrong') }
    statuses.push((await fetch(worker.url, { headers })).status)
  }
  expect(statuses.slice(0, 4)).toEqual([401, 401, 401, 401])
  expect(statuses.at(-1)).toBe(429)
})

test('where the platform itself says whom Access has let in, that counts, and no header does', async () => {
  const audience = 'ab'.repeat(32)
  const access = { aud: audience, identity: { email: 'brian@example.com' } }
  const texts = { ...SECRETS, ACCESS_TEAM: 'example', ACCESS_AUD: audience }
  const worker = await startWorker(bundle.source, CONFIG.compatibility_date, texts, 10, access)
  const host = createServer(asGateway((incoming, outgoing) => outgoing.end(JSON.stringify(incoming.headers))))
  onTestFinished(async () => {
    await worker.close()
    host.close()
    host.closeAllConnections()
  })
  const target = { host: 'east', origin: await listen(host) }
  await worker.put('user:brian@example.com', { ...USER, target, password: null })
  const headers = { 'cf-access-jwt-assertion': 'forged', cookie: 'a=1' }
  const received: unknown = await (await fetch(worker.entry, { headers })).json()
  expect(received).toMatchObject({ 'mux-user': 'brian@example.com', cookie: 'a=1' })
  expect(received).not.toHaveProperty('cf-access-jwt-assertion')
})

test('a session goes on under another key as long as its own is known as the one before, and in no other deployment', async () => {
  const next = Buffer.alloc(32, 3).toString('base64')
  const deployed = async (secrets: Parameters<typeof startWorker>[2]) => {
    const worker = await startWorker(bundle.source, CONFIG.compatibility_date, { ...SECRETS, ...secrets })
    onTestFinished(() => worker.close())
    await worker.put('user:graham', { ...USER, target: { host: 'east', origin: 'http://127.0.0.1:9' } })
    const statusOf = async (cookie: string) =>
      (await fetch(`${worker.url}/_mux/session`, { headers: { cookie } })).status
    const signIn = async () => {
      const form = { username: 'graham', password: PASSWORD }
      return (await browse(`${worker.url}/_mux/signin`, { form })).headers['set-cookie']![0]!.split(';')[0]!
    }
    return { statusOf, signIn }
  }
  const before = await deployed({})
  const first = await before.signIn()
  const both = await deployed({ SESSION_KEY: next, SESSION_KEY_PREVIOUS: SECRETS.SESSION_KEY })
  const second = await both.signIn()
  const after = await deployed({ SESSION_KEY: next })
  expect(await Promise.all([first, second].map(before.statusOf))).toEqual([200, 401])
  expect(await Promise.all([first, second].map(both.statusOf))).toEqual([200, 200])
  expect(await Promise.all([first, second].map(after.statusOf))).toEqual([401, 200])
})

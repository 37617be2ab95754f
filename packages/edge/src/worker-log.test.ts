import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { KvShim, startBareWorker } from './fixtures/bare-workerd.ts'
import { basic } from './fixtures/edge-under-test.ts'
import { PASSWORD, PASSWORD_HASH } from './fixtures/memory-registry.ts'
import { browse, sendRaw } from './fixtures/raw-client.ts'
import { listen } from './fixtures/listen.ts'
import { asGateway } from './fixtures/proof.ts'
import { buildWorker, COMPATIBILITY_DATE } from './fixtures/built-worker.ts'
import { userRecord } from './fixtures/user-record.ts'
import { createToken } from './tokens.ts'

const KEYS = {
  EDGE_KEY: Buffer.from('edge-key-that-nobody-shall-see-1').toString('base64'),
  SESSION_KEY: Buffer.from('session-key-nobody-shall-see-123').toString('base64'),
  HOST_ACCESS_CLIENT_ID: 'access-id-nobody-shall-see',
  HOST_ACCESS_CLIENT_SECRET: 'access-secret-nobody-shall-see',
  ACCESS_TEAM: 'example',
  ACCESS_AUD: 'ab'.repeat(32),
}

test('whatever goes wrong, the log tells no secret, no query and no body, and each line is an event', async () => {
  const kv = new KvShim()
  const host = createServer(
    asGateway((incoming, outgoing) => {
      const answer = new URL(incoming.url!, 'http://x').searchParams.get('answer')
      if (answer === 'cut') incoming.socket.destroy()
      else if (answer === '421')
        outgoing
          .writeHead(421, { 'mux-problem': 'misdirected', 'mux-version': 9 })
          .end('{"detail":"said-by-the-host"}')
      else outgoing.writeHead(Number(answer ?? 200), { 'x-app': 'said-by-the-app' }).end('said-by-the-app')
    }, KEYS.EDGE_KEY),
  )
  const origin = await listen(host)
  const hosts = { 'example.cloudflareaccess.com': '127.0.0.1:9' }
  const worker = await startBareWorker({
    source: await buildWorker(),
    compatibilityDate: COMPATIBILITY_DATE,
    kv,
    texts: KEYS,
    hosts,
  })
  onTestFinished(async () => {
    await worker.close()
    host.close()
    host.closeAllConnections()
  })
  const users = ['brian', 'moved', 'cut', 'gone', 'unbound']
  for (const user of users) kv.put(`user:${user}`, userRecord(origin))
  kv.put('user:gone', userRecord('http://127.0.0.1:9'))
  kv.put('user:unbound', userRecord('vpc:NOWHERE'))
  kv.put('user:broken', userRecord(origin, { password: 5 }))

  const query = 'q=asked-in-the-query'
  const of = (user: string) => ({ authorization: basic(user, PASSWORD), cookie: 'a=sent-in-a-cookie' })
  const ask = (path: string, headers: Record<string, string>, init: RequestInit = {}) =>
    fetch(`${worker.url}${path}${path.includes('?') ? '&' : '?'}${query}`, {
      headers,
      redirect: 'manual',
      ...init,
    })
  const statuses: number[] = []
  for (const user of [...users, 'broken', 'nobody']) {
    const body = 'sent-in-the-body'
    statuses.push((await ask(`/?answer=${answers[user] ?? 200}`, of(user), { method: 'POST', body })).status)
  }
  const token = createToken().token
  statuses.push((await ask('/', { authorization: `Bearer ${token}` })).status)
  statuses.push((await ask('/', { authorization: 'Basic not-base64-nobody-shall-see' })).status)
  statuses.push((await ask('/', { 'cf-access-jwt-assertion': 'assertion-nobody-shall-see' })).status)
  statuses.push((await ask('/', { 'cf-access-jwt-assertion': ASSERTION })).status)
  const form = { username: 'brian', password: 'typed-in-the-form', next: '/?next-nobody-shall-see' }
  statuses.push((await browse(`${worker.url}/_mux/signin?${query}`, { form })).status)
  await sendRaw(Number(new URL(worker.url).port), `GET /?${query} HTTP/1.1\r\nConnection: close\r\n\r\n`)
  kv.behaviour = (_key, outgoing) => (outgoing.writeHead(500).end('said-by-kv'), true)
  statuses.push((await ask('/', of('unread'))).status)
  // Three hosts that fail, two records that cannot be read, one that is behind, keys of Access that cannot be had; the rest refused.
  expect(statuses).toEqual([200, 503, 502, 502, 502, 503, 401, 401, 401, 401, 503, 401, 503])

  await expect.poll(() => worker.log.filter((line) => line.includes('request_failed')).length).toBe(2)
  const log = worker.log.join('\n')
  process.stdout.write(`The Worker logged ${worker.log.length} lines for ${statuses.length + 1} requests\n`)
  for (const line of worker.log) expect(JSON.parse(line)).toMatchObject({ event: expect.any(String) })
  for (const secret of [
    ...Object.values(KEYS).slice(0, 4),
    'nobody-shall-see',
    'asked-in-the-query',
    'said-by',
    'sent-in',
    'typed-in',
    PASSWORD,
    PASSWORD_HASH,
    basic('brian', PASSWORD).slice(6),
    token,
    token.slice(-40),
    ASSERTION,
  ])
    expect(log).not.toContain(secret)
})

const answers: Record<string, string> = { moved: '421', cut: 'cut' }
const part = (of: object) => Buffer.from(JSON.stringify(of)).toString('base64url')
/** Well-formed, so that the keys are asked for by which it would be verified. */
const ASSERTION = `${part({ alg: 'RS256', kid: 'k' })}.${part({ email: 'x' })}.${'A'.repeat(342)}`

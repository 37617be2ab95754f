import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCloudflareApi } from './cloudflare-api.ts'
import { CloudflareError } from './cloudflare-error.ts'
import { ACCOUNT, type Fault, type KvRest, NAMESPACE, startKvRest, TOKEN } from './fixtures/kv-rest.ts'

const PATH = `/accounts/${ACCOUNT}/storage/kv/namespaces/${NAMESPACE}/keys?prefix=x`
const envelope = (errors: { code: number; message: string }[]) =>
  JSON.stringify({ success: false, errors, messages: [], result: null })

let rest: KvRest
beforeAll(async () => {
  rest = await startKvRest()
})
afterAll(() => rest.close())

let waited: number[]
beforeEach(() => {
  waited = []
  rest.asked.length = 0
})
const api = (options: { baseUrl?: string; token?: string; timeout?: number } = {}) =>
  createCloudflareApi({
    baseUrl: rest.url,
    token: TOKEN,
    wait: async (milliseconds) => void waited.push(milliseconds),
    ...options,
  })
const failing = async (fault: Fault) => {
  rest.fault = () => fault
  const { call, again } = api()
  return again(() => call('GET', PATH)).catch((error: unknown) => error) as Promise<CloudflareError>
}

describe('what Cloudflare answers', () => {
  it.each<[string, Fault, CloudflareError['code'], number]>([
    ['401', { status: 401 }, 'cloudflare_token_refused', 1],
    [
      '400 for a header',
      { status: 400, body: envelope([{ code: 6003, message: 'Bad' }]) },
      'cloudflare_token_refused',
      1,
    ],
    ['403', { status: 403 }, 'cloudflare_forbidden', 1],
    ['404', { status: 404 }, 'cloudflare_not_found', 1],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, 'cloudflare_refused', 1],
    ['400', { status: 400, body: envelope([{ code: 10001, message: 'Bad' }]) }, 'cloudflare_refused', 1],
    ['413', { status: 413 }, 'cloudflare_too_large', 1],
    ['429', { status: 429 }, 'cloudflare_rate_limited', 5],
    ['500', { status: 500, body: '<html>' }, 'cloudflare_failed', 5],
    ['503', { status: 503 }, 'cloudflare_failed', 5],
    ['success: false', { status: 200, body: envelope([]) }, 'cloudflare_failed', 5],
    ['half of its JSON', { status: 200, body: '{"success":true,"resu' }, 'cloudflare_garbled', 5],
    ['an answer that breaks off', 'cut', 'cloudflare_garbled', 5],
    ['the page of a proxy', { status: 200, body: '<html>' }, 'cloudflare_garbled', 5],
    ['nothing: the connection is closed', 'drop', 'cloudflare_unreachable', 5],
  ])('%s: its own code, and asked again where that may help', async (_what, fault, code, times) => {
    const error = await failing(fault)
    expect(error).toBeInstanceOf(CloudflareError)
    expect(error).toMatchObject({
      code,
      message: expect.stringMatching(/^(?:Cloudflare|The answer|That) .*\.$/),
    })
    expect(rest.asked).toHaveLength(times)
    expect(waited).toHaveLength(times - 1)
  })

  it('is told with what Cloudflare says of it, and its number', async () => {
    const body = envelope([{ code: 10000, message: 'Authentication error' }])
    const { message } = await failing({ status: 403, body })
    expect(message).toBe('Cloudflare does not let this API token do that: Authentication error (10000).')
  })

  it('is not told with the token in it, whoever repeats it', async () => {
    const body = envelope([{ code: 1, message: `no ${TOKEN}, ${TOKEN}` }])
    const error = await failing({ status: 400, body })
    expect(error.message).toContain('no [token], [token]')
    expect(JSON.stringify([error, error.stack, String(error.cause)])).not.toContain(TOKEN)
  })
})

it('pauses are longer each time, and as long as Cloudflare asks for', async () => {
  await failing({ status: 503 })
  for (const [at, pause] of waited.entries()) {
    expect(pause).toBeGreaterThanOrEqual(1000 * 2 ** at)
    expect(pause).toBeLessThanOrEqual(1500 * 2 ** at)
  }
  waited = []
  await failing({ status: 429, headers: { 'retry-after': '20' } })
  expect(waited).toEqual([20_000, 20_000, 20_000, 20_000])
})

it('is not waited for longer than a minute', async () => {
  const error = await failing({ status: 429, headers: { 'retry-after': '61' } })
  expect(error).toMatchObject({ code: 'cloudflare_rate_limited', retryAfter: 61_000 })
  expect(waited).toEqual([])
})

it.each(['hang', 'stall'] as const)(
  'an answer that does not come to its end is not waited for: %s',
  async (fault) => {
    rest.fault = () => fault
    const { call } = api({ timeout: 200 })
    const began = performance.now()
    await expect(call('GET', PATH)).rejects.toMatchObject({
      code: 'cloudflare_unreachable',
      message: 'Cloudflare cannot be reached: no answer within 0.2 s.',
    })
    expect(performance.now() - began).toBeLessThan(10_000)
  },
)

it('no network is not a refusal', async () => {
  const { call } = api({ baseUrl: 'http://127.0.0.1:1' })
  await expect(call('GET', PATH)).rejects.toMatchObject({ code: 'cloudflare_unreachable', isPassing: true })
})

it.each(['', 'two words', 'line\nbreak', 'ä'])('%j is no token, and is not sent', (token) => {
  expect(() => api({ token })).toThrow(CloudflareError)
})

import { Problem, RecordError } from '@mux/contract'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD } from './fixtures/memory-registry.ts'
import { browse } from './fixtures/raw-client.ts'

let under: EdgeUnderTest
beforeEach(async () => {
  under = await startEdge()
  under.registry.addUser('graham', 'django1')
})
afterEach(() => under.edge.close(0))

const GRAHAM = { authorization: basic('graham', PASSWORD) }

function get(path: string): Promise<Response> {
  return fetch(under.url + path, { headers: GRAHAM })
}

describe('what goes wrong behind', () => {
  test('is a problem document for a program', async () => {
    under.host.behaviour = async () => {
      throw new Problem('instance_stopped', { detail: 'Back at noon.', retryAfter: 7.2 })
    }
    const answer = await get('/')
    expect(answer.status).toBe(503)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.headers.get('retry-after')).toBe('8')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const body = (await answer.json()) as Record<string, unknown>
    expect(body).toMatchObject({ code: 'instance_stopped', detail: 'Back at noon.' })
    expect(body['request_id']).toBe(answer.headers.get('x-request-id'))
    expect(under.log).toEqual([])
  })

  test('is a page for a person, with what the operator said and nothing of it as markup', async () => {
    under.host.behaviour = async () => {
      throw new Problem('instance_stopped', { detail: '<script>alert(1)</script>' })
    }
    const { status, headers, text } = await browse(under.url, { headers: GRAHAM })
    expect(status).toBe(503)
    expect(headers['content-type']).toMatch(/^text\/html/)
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(text).toContain('Your instance is stopped by the operator.')
  })

  test('is a page that tries again by itself while the instance starts', async () => {
    under.host.behaviour = async () => {
      throw new Problem('instance_starting', { retryAfter: 2 })
    }
    const { status, headers, text } = await browse(under.url, { headers: GRAHAM })
    expect(status).toBe(503)
    expect(headers['retry-after']).toBe('2')
    expect(text).toContain('<meta http-equiv="refresh" content="2" />')
  })

  test('is told to the log and not to the client when nobody foresaw it', async () => {
    under.host.behaviour = async () => {
      throw new Error('secret internals')
    }
    const answer = await get('/')
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('secret')
    expect(under.log).toMatchObject([
      { event: 'request_failed', code: 'internal', request_id: answer.headers.get('x-request-id') },
    ])
  })

  test('closes the door when it is the registry: no record, no access', async () => {
    under.registry.read = async () => {
      throw new RecordError('user:graham', 'it is not JSON')
    }
    for (const path of ['/', '/_mux/health', '/_mux/session']) {
      const answer = await get(path)
      expect(answer.status).toBe(503)
      expect(await answer.json()).toMatchObject({ code: 'registry_unavailable' })
    }
    expect(under.host.orders).toEqual([])
  })

  test('breaks the answer off, visibly, when it had begun', async () => {
    under.host.behaviour = async (_incoming, outgoing, sent) => {
      outgoing.writeHead(200, sent.answerHeaders(['Content-Length', '10']))
      outgoing.write('12345')
      throw new Error('too late')
    }
    await expect(get('/').then((answer) => answer.text())).rejects.toThrow()
    expect(under.log).toMatchObject([{ event: 'answer_broken_off' }])
  })
})

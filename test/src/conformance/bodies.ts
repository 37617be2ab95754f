import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { ask, open } from '../harness/client.ts'
import { type Layout, ledgerLines } from '../harness/layout.ts'
import { basic } from '../harness/project.ts'
import { exchangeRaw } from '../harness/raw.ts'
import { until } from '../harness/until.ts'

const MIB = 1024 * 1024

/** Bodies, methods and statuses pass as they are. */
export function bodies(layout: () => Layout): void {
  it('passes redirects and every status and body of the instance through', async () => {
    const redirect = await ask(layout().url, '/redirect', { user: 'brian' })
    expect([redirect.status, redirect.headers.location]).toEqual([302, 'https://elsewhere.example/x?y=z'])
    for (const status of [201, 400, 401, 404, 418, 500, 503]) {
      const answer = await ask(layout().url, `/status/${status}`, { user: 'brian' })
      expect([answer.status, answer.body, answer.headers['x-from']]).toEqual([
        status,
        'as the instance says\n',
        'instance',
      ])
    }
  })

  it.each(['OPTIONS', 'DELETE', 'PUT', 'PATCH', 'POST'])('passes %s with a body', async (method) => {
    const answer = await ask(layout().url, '/things/1', { user: 'brian', method, body: 'a body' })
    expect(answer.json()).toMatchObject({ method, body: 'a body' })
  })

  it('answers HEAD without a body and with the length that GET would have', async () => {
    const answer = await ask(layout().url, '/zeros/1000', { user: 'brian', method: 'HEAD' })
    expect([answer.status, answer.headers['content-length'], answer.body]).toEqual([200, '1000', ''])
  })

  it.each<[string, string, Buffer]>([
    ['in gzip', 'gzip', gzipSync('text '.repeat(1000))],
    ['in brotli', 'br', brotliCompressSync('text '.repeat(1000))],
    ['that is labelled wrongly', 'gzip', Buffer.from('no gzip at all')],
    ['in what nobody knows', 'x-own', Buffer.from([0, 255, 1, 254])],
  ])(
    'passes a body %s as the instance sent it, whatever the client says that it takes',
    async (_, name, bytes) => {
      for (const takes of ['gzip, br', 'identity']) {
        const headers = { 'x-bytes': bytes.toString('base64'), 'accept-encoding': takes }
        const answer = await open(layout().url, `/encoded/${name}`, { user: 'brian', headers })
        expect(answer.headers['content-encoding']).toBe(name)
        expect(Buffer.concat(await answer.toArray())).toEqual(bytes)
      }
    },
  )

  it.each<[string, Record<string, string>, number, string, string | undefined]>([
    ['all of it', {}, 200, '0123456789', undefined],
    ['a range', { range: 'bytes=2-4' }, 206, '234', 'bytes 2-4/10'],
    ['a range of what it has', { range: 'bytes=2-4', 'if-range': '"ten"' }, 206, '234', 'bytes 2-4/10'],
    ['a range of what it had', { range: 'bytes=2-4', 'if-range': '"old"' }, 200, '0123456789', undefined],
    ['what it has', { 'if-none-match': '"ten"' }, 304, '', undefined],
  ])('leaves it to the instance to answer who asks for %s', async (_, headers, status, body, range) => {
    const answer = await ask(layout().url, '/ranged', { user: 'brian', headers })
    expect([answer.status, answer.body, answer.headers['content-range']]).toEqual([status, body, range])
    expect(answer.headers.etag).toBe('"ten"')
  })

  it('passes a form of ten thousand parts byte for byte', async () => {
    const part = (n: number) =>
      `--edge\r\nContent-Disposition: form-data; name="f\u00fc\u{1f40d}${n}"\r\n\r\na\r\nb\n--edge-\r\n`
    const body = Buffer.from(`${Array.from({ length: 10_000 }, (_, n) => part(n)).join('')}--edge--\r\n`)
    const headers = { 'content-type': 'multipart/form-data; boundary=edge' }
    const answer = await ask(layout().url, '/hash', { user: 'brian', method: 'POST', headers, body })
    expect(answer.json()).toEqual({
      length: body.length,
      sha256: createHash('sha256').update(body).digest('hex'),
    })
  })

  it.each(['GET', 'HEAD'])('passes %s whose body is said to be empty', async (method) => {
    const answer = await ask(layout().url, '/', { user: 'brian', method, headers: { 'content-length': '0' } })
    expect(answer.status).toBe(200)
  })

  it('streams 200 MB up, of known and of unknown length, and nothing is lost', async () => {
    const block = Buffer.alloc(MIB, 'mux')
    const blocks = 200
    const hash = createHash('sha256')
    for (let n = 0; n < blocks; n++) hash.update(block)
    const expected = { length: blocks * MIB, sha256: hash.digest('hex') }
    const body = () =>
      Readable.from(
        (function* () {
          for (let n = 0; n < blocks; n++) yield block
        })(),
      )
    const chunked = await ask(layout().url, '/hash', { user: 'brian', method: 'POST', body: body() })
    expect(chunked.json()).toEqual(expected)
    const known = await ask(layout().url, '/hash', {
      user: 'brian',
      method: 'POST',
      body: body(),
      headers: { 'content-length': String(blocks * MIB) },
    })
    expect(known.json()).toEqual(expected)
  })

  it('streams 200 MB down', async () => {
    const response = await open(layout().url, `/zeros/${200 * MIB}`, { user: 'brian' })
    let length = 0
    for await (const chunk of response) length += (chunk as Buffer).length
    expect(length).toBe(200 * MIB)
  })

  it('delivers server-sent events one by one as they are sent', async () => {
    const { url } = layout()
    const response = await open(url, '/events/5', { user: 'brian' })
    let received = ''
    response.setEncoding('utf8').on('data', (text) => (received += text))
    const ended = once(response, 'end')
    let all = ''
    for (let n = 0; n < 5; n++) {
      all += `data: ${n}\n\n`
      await until(`event ${n}`, () => received === all || undefined)
      // Without this word the instance sends no other, so one that is kept back for the next never comes.
      expect((await ask(url, `/taken/${n}`, { user: 'brian' })).status).toBe(204)
    }
    await ended
    expect(received).toBe(all)
  })

  it("ends the instance's work when the client leaves in the middle of an answer", async () => {
    const response = await open(layout().url, '/sse/1000', { user: 'brian' })
    await new Promise((resolve) => response.once('data', resolve))
    response.destroy()
    await until('the instance sees that the client left', async () =>
      (await ledgerLines(layout().project)).includes('left django2 /sse/1000') ? true : undefined,
    )
  })

  it('cuts the transfer visibly when the instance dies in the middle of an answer', async () => {
    const response = await open(layout().url, '/die-mid-body', { user: 'graham' })
    await expect(
      (async () => {
        for await (const _ of response);
      })(),
    ).rejects.toThrow()
    expect((await ask(layout().url, '/', { user: 'graham' })).status).toBe(200)
  })

  it('asks for the body of an Expect: 100-continue only from a client that is signed in', async () => {
    const { url } = layout()
    const outgoing = request(new URL('/hash', url), {
      method: 'POST',
      headers: { authorization: basic('brian'), expect: '100-continue', 'content-length': '4' },
    })
    outgoing.once('continue', () => outgoing.end('body'))
    outgoing.flushHeaders()
    const status = await new Promise((resolve, reject) => {
      outgoing.once('response', (response) => resolve(response.resume().statusCode))
      outgoing.once('error', reject)
    })
    expect(status).toBe(200)
    const refused = await exchangeRaw(
      url,
      'POST /hash HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n',
    )
    expect(refused).toMatch(/^HTTP\/1.1 401 /)
  })
}

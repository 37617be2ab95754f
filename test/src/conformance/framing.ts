import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { ask, valuesOf } from '../harness/client.ts'
import { type Layout, ledgerLines } from '../harness/layout.ts'
import { basic } from '../harness/project.ts'
import { exchangeRaw, sayAndEnd, statusesIn, successesIn } from '../harness/raw.ts'
import { expectNothingSmuggled } from '../harness/smuggle.ts'
import { MALFORMED_BODIES, MALFORMED_HEADS, malformedBytes } from '../malformed.ts'

/** What has to hold wherever requests are parsed, by whatever program: one request is one, with a credential, or none. */
export function framing(layout: () => Layout): void {
  const proof = () => `Authorization: ${basic('brian')}\r\n`

  it('passes what is malformed as one clear request, or not at all, and never what comes behind it without a credential', async () => {
    const { url, project } = layout()
    const shapes = Object.entries({ ...MALFORMED_HEADS, ...MALFORMED_BODIES })
    const target = (at: number) => `/malformed/${at}`
    const behind = 'GET /behind HTTP/1.1\r\nHost: notes.example\r\n\r\n'
    await Promise.all(
      shapes.map(async ([title, malformed], at) => {
        const bytes = malformedBytes(malformed, target(at), proof) + behind
        const received = await sayAndEnd(url, Buffer.from(bytes, 'latin1'))
        expect(successesIn(received), title).toBeLessThanOrEqual(1)
        expect(received, title).not.toContain('"code":"internal"')
      }),
    )
    const seen = (await ledgerLines(project)).filter((line) =>
      /^request .*(?:\/malformed\/|\/behind)/.test(line),
    )
    const whole = shapes.map((_, at) => target(at))
    for (const line of seen) {
      const [, instance, , asked] = line.split(' ')
      expect(instance, line).toBe('django2')
      expect(whole, line).toContain(asked)
    }
    expect(new Set(seen).size).toBe(seen.length)
  })

  it.each([
    ['no Host', ''],
    ['two Hosts', 'Host: notes.example\r\nHost: other.example\r\n'],
    ['a Host of two names', 'Host: notes.example, other.example\r\n'],
    ['a Host with a user', 'Host: other.example@notes.example\r\n'],
    ['a Host with a path', 'Host: notes.example/other\r\n'],
    ['a Host with a space', 'Host: notes example\r\n'],
    ['an empty Host', 'Host: \r\n'],
    ['a port that is none', 'Host: notes.example:99999\r\n'],
  ])('refuses %s, also of what mux answers itself', async (title, lines) => {
    const { url, project } = layout()
    const target = `/hosts/${encodeURIComponent(title)}`
    for (const asked of [target, '/_mux/session']) {
      const text = `GET ${asked} HTTP/1.1\r\n${lines}${proof()}Connection: close\r\n\r\n`
      expect(statusesIn(await exchangeRaw(url, text)), asked).toEqual([400])
    }
    expect((await ledgerLines(project)).filter((line) => line.endsWith(` ${target}`))).toEqual([])
  })

  it('judges each of three requests that are sent ahead by its own credential, in their order', async () => {
    const ahead = (target: string, ...lines: string[]) =>
      [`GET ${target} HTTP/1.1`, 'Host: notes.example', ...lines, '\r\n'].join('\r\n')
    const received = await exchangeRaw(
      layout().url,
      ahead('/first', `Authorization: ${basic('brian')}`) +
        ahead('/second', `Authorization: ${basic('graham')}`) +
        ahead('/third', 'Connection: close'),
    )
    expect(statusesIn(received)).toEqual([200, 200, 401])
    const served = [...received.matchAll(/"instance":"(\w+)".*?"target":"([^"]+)"/g)]
    expect(served.map(([, instance, target]) => [instance, target])).toEqual([
      ['django2', '/first'],
      ['django1', '/second'],
    ])
  })

  it.each(['TRACE', 'TRACK', 'CONNECT', 'PRI', 'trace'])(
    'refuses %s, and echoes nothing of it',
    async (method) => {
      const { url, project, edge } = layout()
      const target = method === 'CONNECT' ? 'notes.example:80' : `/${method}`
      const text = `${method} ${target} HTTP/1.1\r\nHost: notes.example\r\n${proof()}Connection: close\r\n\r\n`
      const received = await exchangeRaw(url, text)
      // CONNECT is nothing that the platform of the Worker asks the Worker about.
      const refusals = edge === 'Worker' && method === 'CONNECT' ? [500] : [400, 405, 501]
      for (const status of statusesIn(received)) expect(refusals).toContain(status)
      expect(received).not.toMatch(/authorization|Basic [A-Za-z0-9+/]/i)
      expect((await ledgerLines(project)).filter((line) => line.includes(` ${method} `))).toEqual([])
    },
  )

  it('is one host to whoever routes, signs and serves, by an address that names it as well, or refuses it', async () => {
    const { url } = layout()
    const answerTo = (target: string) =>
      exchangeRaw(url, `GET ${target} HTTP/1.1\r\nHost: notes.example\r\n${proof()}Connection: close\r\n\r\n`)
    const same = await answerTo('http://notes.example/absolute')
    expect(statusesIn(same)).toEqual([200])
    expect(same).toContain('"target":"/absolute"')
    const other = await answerTo('http://other.example/absolute')
    if (statusesIn(other)[0] === 400) return
    const { headers } = JSON.parse(/\{"instance".*\}/.exec(other)![0])
    expect(new Set([...valuesOf(headers, 'host'), ...valuesOf(headers, 'x-forwarded-host')]).size).toBe(1)
  })

  it('serves or refuses who expects what nobody knows, and serves on who ends their side behind a request', async () => {
    const { url } = layout()
    const text = `GET /odd HTTP/1.1\r\nHost: notes.example\r\n${proof()}Connection: close\r\n`
    expect(await exchangeRaw(url, `${text}Expect: the-unexpected\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 (?:200|417) /,
    )
    const { hostname, port } = new URL(url)
    const half = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    half.end(`${text}\r\n`)
    const chunks = await half.toArray()
    expect(Buffer.concat(chunks).toString()).toMatch(/^$|^HTTP\/1\.1 200 /)
    expect((await ask(url, '/', { user: 'brian' })).status).toBe(200)
  })

  it('lets no request be taken for two, and every user have their own answer meanwhile', async () => {
    const { url, project } = layout()
    let turn = 0
    const victim = async (target: string) => {
      // Of the same instance, whose connections they share, and of another one.
      const user = turn++ % 2 === 0 ? 'graham' : 'brian'
      const answer = await ask(url, target, { user, method: 'POST', body: target })
      expect(answer.status, answer.body).toBe(200)
      const { headers, ...echo } = answer.json()
      expect(echo).toMatchObject({ target, body: target, method: 'POST' })
      expect(valuesOf(headers, 'mux-user')).toEqual([user])
    }
    await expectNothingSmuggled({ url, project, proof, victim })
  })
}

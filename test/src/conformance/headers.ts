import { expect, it } from 'vitest'
import { type Answer, ask, valuesOf } from '../harness/client.ts'
import type { Layout } from '../harness/layout.ts'
import { basic } from '../harness/project.ts'
import { exchangeRaw, statusOf } from '../harness/raw.ts'

/** What an instance believes without proof, in one spelling each. */
const TRUSTED = [
  'mux-user',
  'mux-instance',
  'mux-version',
  'mux-anything',
  'x-remote-user',
  'remote-user',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-user',
  'x-real-ip',
  'signature-input',
  'script-name',
  'remote-addr',
  'x-original-url',
]

const UPGRADE = {
  connection: 'Upgrade, mux-user, x-remote-user',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

/** Who the instance is told that the user is, and what nobody outside can make it believe. */
export function headers(layout: () => Layout): void {
  const seen = (answer: Answer): string[] => answer.json().headers

  it('tells the instance the user, the instance, the request id and where the request came from, once each', async () => {
    const received = seen(
      await ask(layout().url, '/', {
        user: 'brian',
        headers: { host: 'notes.example:8443', ...layout().platformHeaders },
      }),
    )
    expect(valuesOf(received, 'mux-user')).toEqual(['brian'])
    expect(valuesOf(received, 'mux-instance')).toEqual(['django2'])
    expect(valuesOf(received, 'x-remote-user')).toEqual(['brian'])
    expect(valuesOf(received, 'x-forwarded-proto')).toEqual(['http'])
    expect(valuesOf(received, 'x-forwarded-host')).toEqual(['notes.example:8443'])
    expect(valuesOf(received, 'x-forwarded-for')).toEqual(['127.0.0.1'])
    expect(valuesOf(received, 'x-request-id')).toHaveLength(1)
    expect(valuesOf(received, 'host')).toEqual(['notes.example:8443'])
  })

  it('drops every spelling of a trusted name that a client sends', async () => {
    const forged: Record<string, string> = {}
    for (const name of [
      'mux-user',
      'mux-instance',
      'mux-version',
      'mux-anything',
      'x-remote-user',
      'remote-user',
    ]) {
      for (const spelling of spellings(name)) forged[spelling] = 'admin'
    }
    for (const name of [
      'signature',
      'signature-input',
      'forwarded',
      'x-real-ip',
      'proxy',
      'x-forwarded-prefix',
      'client_ip',
      'true-client-ip',
      'cf-access-jwt-assertion',
      'CF-Access-Client_Secret',
      'x-original-url',
      'SCRIPT_NAME',
    ]) {
      forged[name] = 'admin'
    }
    const received = seen(await ask(layout().url, '/', { user: 'brian', headers: forged }))
    expect(received).not.toContain('admin')
    expect(valuesOf(received, 'mux-user')).toEqual(['brian'])
    expect(valuesOf(received, 'x-remote-user')).toEqual(['brian'])
  })

  it('drops trusted names with any signs between and around their words, on a request, a public route and an upgrade', async () => {
    const forged = Object.fromEntries(
      "!#$%&'*+.^_`|~".split('').flatMap((sign) =>
        TRUSTED.flatMap((name) => [
          [name.replace('-', sign), `admin by ${name.replace('-', sign)}`],
          [name.replaceAll('-', sign).toUpperCase(), `admin by ${name.replaceAll('-', sign)}`],
          [`${sign}${name.replace('-', sign + sign)}${sign}`, `admin by ${sign} around ${name}`],
        ]),
      ),
    )
    const { url } = layout()
    await layout().must(['route', 'set', 'open.example', '--instance', 'django1', '--public'])
    const asked = await ask(url, '/', { user: 'brian', headers: { ...forged, host: 'notes.example' } })
    const open = await ask(url, '/', { headers: { ...forged, host: 'open.example' } })
    // What an upgrade is told, an instance that refuses it says as well.
    const refused = await ask(url, '/ws-refused', { user: 'brian', headers: { ...forged, ...UPGRADE } })
    await layout().must(['route', 'remove', 'open.example'])
    expect([asked.status, open.status, refused.status]).toEqual([200, 200, 403])
    for (const { body } of [asked, open, refused]) expect(body.match(/"admin[^"]*"/g)).toBeNull()
    expect(open.body).not.toMatch(/mux-user|remote-user/i)
    const told = JSON.parse(refused.body.slice('refused '.length))
    expect([valuesOf(told, 'mux-user'), valuesOf(told, 'x-remote-user')]).toEqual([['brian'], ['brian']])
  })

  it('passes no trailer that a server could take for a header of ours', async () => {
    const trailers = [...TRUSTED, 'mux_user', 'X.Remote_User', 'cookie', 'authorization', 'host']
    const answer = await exchangeRaw(
      layout().url,
      [
        'POST / HTTP/1.1',
        'Host: notes.example',
        `Authorization: ${basic('brian')}`,
        'Transfer-Encoding: chunked',
        'Connection: close, x-nominated',
        '',
        '3\r\nabc\r\n0',
        'X-Nominated: admin',
        ...trailers.map((name) => `${name}: admin`),
        'X-Checksum: 900150983cd24fb0',
        '',
        '',
      ].join('\r\n'),
    )
    expect([statusOf(answer), answer.includes('admin')]).toEqual([200, false])
    // The other way to run loses all of them on its platform.
    if (layout().edge === 'Node') expect(answer).toContain('"trailers":["X-Checksum","900150983cd24fb0"]')
  })

  it('tells where a request came from by what is true, whatever the client says of it', async () => {
    const { headers, ...rest } = layout().from(30)
    const received = seen(
      await ask(layout().url, '/', {
        ...rest,
        user: 'brian',
        headers: {
          ...headers,
          host: 'notes.example',
          'x-forwarded-for': ['6.6.6.6', '7.7.7.7'],
          'x-forwarded-host': 'admin.example',
          'x-forwarded-proto': 'gopher',
          'x-forwarded-port': '666',
          'x-forwarded-prefix': '/admin',
          'x-forwarded': '6.6.6.6',
          'forwarded-for': '6.6.6.6',
          forwarded: 'for=6.6.6.6;host=admin.example;proto=gopher',
          'x-real-ip': '6.6.6.6',
          'true-client-ip': '6.6.6.6',
        },
      }),
    )
    expect(received.join(' ')).not.toMatch(/6\.6\.6\.6|7\.7\.7\.7|admin|gopher|666/)
    expect(valuesOf(received, 'x-forwarded-for')).toEqual([headers?.['cf-connecting-ip'] ?? '127.0.0.30'])
    expect(valuesOf(received, 'x-forwarded-host')).toEqual(['notes.example'])
    expect(valuesOf(received, 'x-forwarded-proto')).toEqual(['http'])
  })

  it('drops a trusted name sent many times, with a comma, and nominated by Connection', async () => {
    const received = seen(
      await ask(layout().url, '/', {
        user: 'brian',
        headers: {
          'mux-user': ['alice', 'admin'],
          'x-remote-user': 'alice,admin',
          connection: 'keep-alive, mux-user, x-remote-user, x-private',
          'x-private': '1',
          te: 'gzip',
          'keep-alive': 'timeout=5',
          'proxy-connection': 'keep-alive',
          'proxy-authorization': 'Basic eDp5',
        },
      }),
    )
    expect(valuesOf(received, 'mux-user')).toEqual(['brian'])
    expect(valuesOf(received, 'x-remote-user')).toEqual(['brian'])
    for (const name of ['x-private', 'te', 'keep-alive', 'proxy-connection', 'proxy-authorization']) {
      expect(valuesOf(received, name)).toEqual([])
    }
  })

  it("keeps the credential and mux's cookie to itself, and passes the application's cookies in their order", async () => {
    const received = seen(
      await ask(layout().url, '/', {
        user: 'brian',
        headers: { cookie: 'a=1; __Host-mux=x; sessionid=2; csrftoken=3' },
      }),
    )
    expect(valuesOf(received, 'authorization')).toEqual([])
    expect(valuesOf(received, 'cookie').join('; ')).toBe('a=1; sessionid=2; csrftoken=3')
    const lines = ['Cookie: a=1', 'Cookie: __Host-mux=x', 'Cookie: __Secure-mux~django1~graham~sid=y; b=2']
    const apart = await exchangeRaw(
      layout().url,
      `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${basic('brian')}\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`,
    )
    expect(apart).toContain('a=1')
    expect(apart).not.toMatch(/mux=x|mux~|sid=y/)
    const without = seen(await ask(layout().url, '/', { user: 'brian', headers: { cookie: '__Host-mux=x' } }))
    expect(valuesOf(without, 'cookie')).toEqual([])
  })

  it("takes what is reserved for mux and a cookie's Domain out of an instance's answer, and leaves the rest", async () => {
    const answer = await ask(layout().url, '/cookies', { user: 'brian' })
    expect(answer.headers['set-cookie']).toEqual([
      'a=1; Path=/',
      'b=2; Path=/',
      'mux~django2~brian~sid=3; Path=/; HttpOnly',
    ])
    expect(valuesOf(answer.rawHeaders, 'mux-user')).toEqual([])
    // mux would take what a browser asks its person for.
    expect(valuesOf(answer.rawHeaders, 'www-authenticate').join()).not.toMatch(/basic/i)
  })

  it('gives a cookie that scripts cannot read back to its instance for its user, and to nobody else', async () => {
    // The last three no instance can have set.
    const cookie = [
      'mux~django2~brian~sid=3',
      'a=1',
      'mux~django2~brian~__Host-mux=x',
      '__Host-mux~django2~brian~mux=y',
      'mux~django2~brian~mux~django1~graham~sid=z',
    ].join('; ')
    const receivedBy = async (user: string) =>
      valuesOf(seen(await ask(layout().url, '/', { user, headers: { cookie } })), 'cookie')
    expect(await receivedBy('brian')).toEqual(['sid=3; a=1'])
    expect(await receivedBy('graham')).toEqual(['a=1'])
  })

  it('lets an answer for somebody be kept by no cache that others share', async () => {
    const answer = await ask(layout().url, '/', { user: 'brian' })
    expect(valuesOf(answer.rawHeaders, 'cache-control').join(', ')).toMatch(/\b(?:private|no-store)\b/)
  })

  it.each(['/a%2Fb/%20/c%25', '/a;b=c', '/x?q=%zz&&=', '/caf%C3%A9', '/%00', '/x?', '/a+b?c+d'])(
    'passes the target %s byte for byte',
    async (target) => {
      expect((await ask(layout().url, target, { user: 'brian' })).json().target).toBe(target)
    },
  )

  it('keeps what is under /_mux/ from every instance', async () => {
    for (const target of ['/_mux/', '/_mux/none', '/_mux']) {
      const answer = await ask(layout().url, target, { user: 'brian' })
      expect([answer.status, answer.json().code]).toEqual([404, 'not_found'])
    }
    expect((await ask(layout().url, '/_mux/health')).status).toBe(200)
  })
}

/** Every mix of dash and underscore in a name, in its given case and in capitals. */
function spellings(name: string): string[] {
  const parts = name.split('-')
  const mixes = parts
    .slice(1)
    .reduce<string[]>(
      (found, part) => found.flatMap((head) => [`${head}-${part}`, `${head}_${part}`]),
      [parts[0]!],
    )
  return [...new Set(mixes.flatMap((mix) => [mix, mix.toUpperCase()]))]
}

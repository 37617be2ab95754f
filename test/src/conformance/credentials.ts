import { beforeAll, expect, it } from 'vitest'
import { type Answer, ask } from '../harness/client.ts'
import { type Layout, requestLines } from '../harness/layout.ts'
import { basic } from '../harness/project.ts'
import { exchangeRaw, statusOf } from '../harness/raw.ts'
import { signIn } from '../harness/sign-in.ts'

/** Of colons, letters that have a form without and one with an accent of its own, and signs beyond 16 bits. */
const PASSWORD = 'a:b::\u0451-\u00fc-\u{1f511}'

/** What signs somebody in, and what does not, however it is written. */
export function credentials(layout: () => Layout): void {
  beforeAll(() =>
    layout().must(['user', 'add', 'polyglot', '--instance', 'django1', '--password-stdin'], {
      input: `${PASSWORD}\n`,
    }),
  )

  /** The lines of a request as they are, and what came back. */
  const send = (lines: readonly string[], method = 'GET'): Promise<string> =>
    exchangeRaw(
      layout().url,
      Buffer.from(
        [`${method} /probe HTTP/1.1`, 'Host: notes.example', ...lines, 'Connection: close', '', ''].join(
          '\r\n',
        ),
        'latin1',
      ),
    )
  const authorized = async (...values: string[]) =>
    statusOf(await send(values.map((value) => `Authorization: ${value}`)))

  it('takes Basic in any case with any blanks, and a password with colons in either form of its letters', async () => {
    const [, base64] = basic('polyglot', PASSWORD).split(' ')
    for (const scheme of ['Basic ', 'bAsIc    ', 'BASIC '])
      expect(await authorized(`${scheme}${base64}  `)).toBe(200)
    expect(await authorized(basic('POLYGLOT', PASSWORD.normalize('NFD')))).toBe(200)
  })

  it('has no second user behind another form of a name, and makes none', async () => {
    for (const name of [
      'polyglot\u0301',
      '\uff50olyglot',
      'poly\u200bglot',
      'polyglot ',
      'polyglot\u0000',
      'j\u00fcrgen',
    ])
      expect(await authorized(basic(name, PASSWORD)), JSON.stringify(name)).toBe(401)
    const added = await layout().run(
      ['user', 'add', 'j\u00fcrgen', '--instance', 'django1', '--password-stdin'],
      { input: `${PASSWORD}\n` },
    )
    expect([added.code, added.stderr]).toEqual([2, expect.stringContaining('[name_invalid]')])
  })

  it('signs in nobody by a broken header, and never fails itself', async () => {
    const before = (await requestLines(layout().project)).length
    const right = basic('brian').slice('Basic '.length)
    const encoded = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
    for (const value of [
      'Basic',
      'Basic ',
      'Basic =',
      'Basic !!!!',
      'Basic Og==',
      encoded('brian'),
      encoded('brian:'),
      encoded(':brian-password'),
      encoded('brian:brian-password\r\n'),
      encoded('brian\r\nMux-User: admin:brian-password'),
      encoded('brian\u0000:brian-password'),
      encoded('brian:brian\u007f-password'),
      `Basic ${Buffer.from([0x62, 0x3a, 0xff, 0xfe]).toString('base64')}`,
      `Basic ${right}=`,
      `Basic ${right.replace(/=+$/, '')}`,
      `Basic "${right}"`,
      `Basic ${right} ${right}`,
      `Basic\t${right}`,
      `Basic${right}`,
      `Basic Basic ${right}`,
      `Basic ${Buffer.from('brian:?>?>?>').toString('base64url')}`,
      `Basic \xa0${right}`,
      encoded(`brian:${'x'.repeat(2_000)}`),
      encoded(`${'x'.repeat(300)}:brian-password`),
      'Bearer mux_',
      'Bearer mux_0123456789abcdef_',
    ])
      expect(await authorized(value), value).toBe(401)
    expect((await requestLines(layout().project)).length).toBe(before)
  })

  it('refuses two credentials in one request, in two lines or in one', async () => {
    const [brian, graham] = [basic('brian'), basic('graham')]
    for (const values of [
      [brian, brian],
      [brian, graham],
      [brian, ''],
      [`Negotiate abc`, brian],
      [`${brian}, ${graham}`],
      [`${brian},`],
      [`, ${brian}`],
      [`Digest x, ${brian}`],
    ])
      expect(await authorized(...values), values.join(' | ')).toBe(401)
  })

  it('hashes no credential of a megabyte', async () => {
    const large = 'x'.repeat(2 ** 20)
    for (const [username, password] of [
      ['brian', large],
      [large, 'brian-password'],
    ] as const) {
      expect(await authorized(basic(username, password))).toBe(431)
      expect((await signIn(layout().url, { username, password })).status).toBe(413)
    }
  })

  it("serves the user of a credential beside another user's session, and nobody by a wrong one beside a session", async () => {
    const { cookie } = await signIn(layout().url, { username: 'brian' })
    const { token } = (await layout().must(['token', 'create', 'graham', '--json'])).json()
    for (const authorization of [`Bearer ${token}`, basic('graham')]) {
      const answer = await ask(layout().url, '/', { headers: { cookie, authorization } })
      expect(answer.json()).toMatchObject({ instance: 'django1' })
      expect(answer.json().headers).not.toContain('brian')
    }
    expect(await authorizedBeside(cookie, `Bearer ${token.slice(0, -1)}!`)).toBe(401)
    expect(await authorizedBeside(cookie, basic('graham', 'wrong-password'))).toBe(401)
  })
  const authorizedBeside = async (cookie: string, value: string) =>
    statusOf(await send([`Cookie: ${cookie}`, `Authorization: ${value}`]))

  it('lets nobody past by a method, a path, a header or a name that some front lets past', async () => {
    const { url, project } = layout()
    const before = (await requestLines(project)).length
    for (const method of ['HEAD', 'OPTIONS', 'PROPFIND', 'POST', 'QUERY'])
      expect(statusOf(await send([], method)), method).toBe(401)
    for (const path of [
      '/healthz',
      '/ping',
      '/health',
      '/static/x.css',
      '/favicon.ico',
      '/robots.txt',
      '/.well-known/x',
      '/ping?next=/_mux/health',
      '/_MUX/health',
    ])
      expect((await ask(url, path)).status, path).toBe(401)
    for (const [name, value] of Object.entries({
      'user-agent': 'kube-probe/1.31',
      'x-original-url': '/_mux/health',
      'x-rewrite-url': '/_mux/health',
      'x-forwarded-uri': '/_mux/health',
      'x-middleware-subrequest': 'middleware:middleware:middleware',
      'x-http-method-override': 'TRACE',
      'mux-user': 'brian',
      'x-remote-user': 'brian',
      'x-forwarded-user': 'brian',
    }))
      expect((await ask(url, '/probe', { headers: { [name]: value } })).status, name).toBe(401)
    expect((await ask(url, '/probe', { headers: { 'user-agent': 'mux-probe' } })).status).toBe(401)
    const page = { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' }
    expect((await ask(url, '/probe', { method: 'POST', headers: page, body: 'a=b' })).status).toBe(401)
    expect((await requestLines(project)).length).toBe(before)
  })

  it.skipIf(process.platform !== 'linux')(
    'makes an address wait that has failed ten times for a user, or a hundred times at all, and lets the user in from another',
    async () => {
      const { url } = layout()
      const from = (n: number, authorization: string): Promise<Answer> => {
        const { headers, ...rest } = layout().from(n)
        return ask(url, '/', { ...rest, headers: { ...headers, authorization } })
      }
      for (let n = 0; n < 10; n++)
        expect((await from(20, basic('malcolm', `wrong-password-${n}`))).status).toBe(401)
      const limited = await from(20, basic('malcolm'))
      expect([limited.status, limited.json().code]).toEqual([429, 'rate_limited'])
      expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0)
      expect(Number(limited.headers['retry-after'])).toBeLessThanOrEqual(60)
      expect((await from(20, basic('graham'))).status).toBe(200)
      expect((await from(21, basic('malcolm'))).status).toBe(200)

      // Each for another token: they cost no hash, and count for the address all the same.
      // A few at a time, to be through within the minute that counts.
      for (let n = 0; n < 100; n += 10)
        await Promise.all(
          Array.from({ length: 10 }, (_, at) =>
            from(22, `Bearer mux_${(n + at).toString(16).padStart(16, '0')}_${'0'.repeat(40)}`),
          ),
        )
      expect((await from(22, basic('graham'))).status).toBe(429)
      expect((await from(21, basic('graham'))).status).toBe(200)
    },
  )
}

import { createHmac, randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { ask } from '../harness/client.ts'
import { ELSEWHERE, SCRIPTS } from '../harness/hostile-strings.ts'
import type { Layout } from '../harness/layout.ts'
import { exchangeRaw, statusOf } from '../harness/raw.ts'
import { signIn as postSignIn, type SignIn, signOut } from '../harness/sign-in.ts'

/** Sign-ins at once of one user; each is hashed, and one that would wait for long is refused. */
const AT_ONCE = 8

/** What those try who want somebody else's session, or to put somebody into theirs. */
export function sessionAttacks(layout: () => Layout): void {
  const signIn = (username: string, more: Partial<SignIn> = {}) =>
    postSignIn(layout().url, { username, ...more })
  const statusWith = async (cookie: string) => (await ask(layout().url, '/', { headers: { cookie } })).status

  it('never leaves the site after signing in, wherever the form would lead', async () => {
    const { origin } = new URL(layout().url)
    for (const next of ELSEWHERE) {
      const { status, headers } = await signIn('brian', { next })
      expect(status).toBe(303)
      expect(headers.location, JSON.stringify(next)).toMatch(/^\/(?![/\\])[!-~]*$/)
      expect(new URL(headers.location!, origin).origin, JSON.stringify(next)).toBe(origin)
    }
  })

  it.each([
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['a null origin', { origin: 'null' }],
    ['a frame without an origin', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    ['a cross-site fetch', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    [
      'another site that a script asks for without CORS',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', origin: '' },
    ],
    ['a sibling site', { 'sec-fetch-site': 'same-site' }],
    ['the address bar', { 'sec-fetch-site': 'none' }],
    ['two sites', { 'sec-fetch-site': 'same-origin, cross-site' }],
    ['no site that it names', { origin: '' }],
    ['no site that it names, without CORS', { origin: '', 'sec-fetch-mode': 'no-cors' }],
    ['a host that begins alike', { origin: 'http://127.0.0.1.evil.example' }],
    ['this host at another port', { origin: 'http://127.0.0.1:1' }],
    ['two origins', { origin: 'http://127.0.0.1, https://evil.example' }],
  ])('signs nobody in or out by a form from %s', async (_, headers) => {
    const { cookie } = await signIn('brian')
    for (const answer of [
      await signIn('brian', { headers }),
      await signOut(layout().url, { cookie, ...headers }),
    ]) {
      expect([answer.status, answer.json().code]).toEqual([403, 'cross_site'])
      expect(answer.headers['set-cookie']).toBeUndefined()
    }
    expect(await statusWith(cookie)).toBe(200)
  })

  it('signs out by a form of a page that sends no referrer, and so names no origin', async () => {
    const { cookie } = await signIn('brian')
    const headers = { cookie, origin: 'null', 'sec-fetch-site': 'same-origin' }
    expect((await signOut(layout().url, headers)).status).toBe(303)
    expect(await statusWith(cookie)).toBe(401)
  })

  it.each(['text/plain', 'multipart/form-data; boundary=x', 'application/json', ''])(
    'signs nobody in by a body of the type %j',
    async (type) => {
      const answer = await signIn('brian', { headers: { 'content-type': type } })
      expect([answer.status, answer.headers['set-cookie']]).toEqual([400, undefined])
    },
  )

  it('takes its cookie under its own name and in one spelling only, once in a request', async () => {
    const { cookie } = await signIn('brian')
    const value = cookie.slice('__Host-mux='.length)
    const status = async (...lines: string[]) => {
      const head = ['GET / HTTP/1.1', 'Host: notes.example', ...lines.map((line) => `Cookie: ${line}`)]
      const bytes = Buffer.from([...head, 'Connection: close', '', ''].join('\r\n'))
      return statusOf(await exchangeRaw(layout().url, bytes))
    }
    expect(await status(`a=b; ${cookie}; c="d`)).toBe(200)
    for (const lines of [
      [`\u2000${cookie}`],
      [`\u00a0${cookie}`],
      [`\u3000${cookie}`],
      [`__HOST-MUX=${value}`],
      [`__host-mux=${value}`],
      [`__Secure-mux=${value}`],
      [`mux=${value}`],
      [`%5F_Host-mux=${value}`],
      [`__Host-mux="${value}"`],
      [`__Host-mux=${encodeURIComponent(value).replace('.', '%2E')}`],
      [`=${cookie}`],
      [`a=b, ${cookie}`],
      [`a=b ${cookie}`],
      [`$Version=1; ${cookie}`],
      [`$Version="1"; __Host-mux="${value}"; $Path="/"`],
      [`${cookie}; ${cookie}`],
      [`${cookie}; __Host-mux=x`],
      [`__Host-mux=; ${cookie}`],
      [cookie, cookie],
      [`${cookie}${'A'.repeat(600)}`],
    ])
      expect(await status(...lines), lines.join(' | ')).toBe(401)
  })

  it('accepts nothing that another deployment has signed, and no payload under the signature of another', async () => {
    const [mine, other] = [await signIn('brian'), await signIn('graham')].map(({ cookie }) => {
      const [, payload, signature] = cookie.split('=')[1]!.split('.')
      return { payload: `v1.${payload}`, signature }
    })
    const signed = (payload: string, key: string | Buffer, prefix: string) =>
      createHmac('sha256', key)
        .update(prefix + payload)
        .digest('base64url')
    for (const value of [
      `${mine!.payload}.${other!.signature}`,
      `${other!.payload}.${mine!.signature}`,
      `${mine!.payload}.${signed(mine!.payload, randomBytes(32), 'mux session cookie\n')}`,
      `${mine!.payload}.${signed(mine!.payload, '', 'mux session cookie\n')}`,
      `${mine!.payload}.`,
      mine!.payload,
      `${mine!.payload.replace('v1', 'none')}.${mine!.signature}`,
      `${mine!.payload}.${mine!.signature}=`,
      `${mine!.payload}..${mine!.signature}`,
    ])
      expect(await statusWith(`__Host-mux=${value}`), value).toBe(401)
  })

  it('gives a new session at each sign-in, and ends the one that came along, whosever it was', async () => {
    const first = await signIn('brian')
    const second = await signIn('brian', { headers: { cookie: first.cookie } })
    const theirs = await signIn('graham', { headers: { cookie: second.cookie } })
    expect(new Set([first, second, theirs].map(({ cookie }) => cookie)).size).toBe(3)
    expect(await statusWith(first.cookie)).toBe(401)
    expect(await statusWith(second.cookie)).toBe(401)
    const page = await ask(layout().url, '/', { headers: { cookie: theirs.cookie } })
    expect(page.json().instance).toBe('django1')
    const forged = await signIn('brian', { headers: { cookie: '__Host-mux=v1.chosen.chosen' } })
    expect(forged.cookie).not.toContain('chosen')
  })

  it('has a browser forget what is there of a session that nobody can read any more, as of somebody else', async () => {
    const cookie = 'csrftoken=a; __Host-mux=v1.of-another.key'
    const cleared = await signIn('brian', { headers: { cookie, 'sec-fetch-mode': 'navigate' } })
    expect([cleared.status, cleared.headers['clear-site-data']]).toEqual([
      307,
      '"cache", "cookies", "storage"',
    ])
    const first = await signIn('brian', { headers: { cookie: 'csrftoken=a', 'sec-fetch-mode': 'navigate' } })
    expect([first.status, first.headers['clear-site-data']]).toEqual([303, undefined])
  })

  it('leaves no session good that was ended, of many sign-ins and sign-outs of one user at once', async () => {
    const { url } = layout()
    const ended: string[] = []
    let jar = Array<string>(AT_ONCE).fill('')
    for (let round = 0; round < 3; round++) {
      jar = await Promise.all(
        jar.map(async (cookie, at) => {
          if (cookie !== '') ended.push(cookie)
          if (cookie !== '' && at % 2 === 1) {
            expect((await signOut(url, { cookie })).status).toBe(303)
            return ''
          }
          return (await signIn('brian', { headers: { cookie } })).cookie
        }),
      )
    }
    expect(ended).toHaveLength(AT_ONCE + AT_ONCE / 2)
    for (const cookie of ended) expect(await statusWith(cookie)).toBe(401)
    for (const cookie of jar.filter(Boolean)) expect(await statusWith(cookie)).toBe(200)
  })

  it('shows whatever it is given as text', async () => {
    const { url } = layout()
    const pagesFor = (text: string) => {
      const encoded = encodeURIComponent(text)
      return Promise.all([
        ask(url, `/_mux/signin?next=${encoded}`),
        ask(url, `/_mux/signin?next=${encodeURIComponent(`/${text}`)}`),
        ask(url, `/_mux/signin?${encoded}=1`),
        ask(url, `/_mux/${encoded}`, { headers: { accept: 'text/html' } }),
        // No password that could be right, so nothing is hashed.
        signIn(text, { password: '\u0001', next: text, headers: { accept: 'text/html' } }),
      ])
    }
    const skeletons = async (text: string) => (await pagesFor(text)).map(({ body }) => skeletonOf(body))
    const plain = await skeletons('plain')
    expect(plain[4]).toContain('<input ')
    for (const attack of SCRIPTS) expect(await skeletons(attack), attack).toEqual(plain)
  })

  it('accepts no cookie with a changed character', async () => {
    const { cookie } = await signIn('brian')
    for (let at = '__Host-mux='.length; at < cookie.length; at += 7) {
      const flipped = cookie.slice(0, at) + (cookie[at] === 'A' ? 'B' : 'A') + cookie.slice(at + 1)
      expect((await ask(layout().url, '/', { headers: { cookie: flipped } })).status).toBe(401)
    }
  })
}

/** The tags of a page in their order with the names of their attributes, by which no text shows. */
function skeletonOf(page: string): string {
  const tags = page.match(/<[a-z!/?](?:"[^"]*"|'[^']*'|[^'">])*>/gi) ?? []
  return tags.map((tag) => tag.replace(/"[^"]*"|'[^']*'/g, '""')).join('')
}

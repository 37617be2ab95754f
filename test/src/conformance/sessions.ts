import { expect, it } from 'vitest'
import { type Answer, ask } from '../harness/client.ts'
import type { Layout } from '../harness/layout.ts'
import { passwordOf } from '../harness/project.ts'

/** Signing in at the page, being signed in by the cookie, and no longer being so. */
export function sessions(layout: () => Layout): void {
  const signIn = (
    name: string,
    password: string,
    next: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> =>
    ask(layout().url, '/_mux/signin', {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: new URL(layout().url).origin,
        host: new URL(layout().url).host,
        ...headers,
      },
      body: new URLSearchParams({ username: name, password, next }).toString(),
    })
  const cookieOf = (answer: Answer): string => answer.headers['set-cookie']![0]!.split(';')[0]!

  it('signs in by the form, goes where the browser was going, and is that user from then on', async () => {
    const answer = await signIn('Brian', passwordOf('brian'), '/notes?x=1')
    expect([answer.status, answer.headers.location]).toEqual([303, '/notes?x=1'])
    expect(answer.headers['set-cookie']![0]).toMatch(/^__Host-mux=[^;]+; .*Path=\/.*HttpOnly.*/)
    expect(answer.headers['set-cookie']![0]).toMatch(/Secure/)
    expect(answer.headers['set-cookie']![0]).toMatch(/SameSite=(Lax|Strict)/)
    const cookie = cookieOf(answer)
    const page = await ask(layout().url, '/', {
      headers: { cookie, authorization: 'Digest of="the application"' },
    })
    expect(page.json()).toMatchObject({ instance: 'django2' })
    expect(page.json().headers).toContain('Digest of="the application"')
    expect((await ask(layout().url, '/_mux/session', { headers: { cookie } })).json()).toMatchObject({
      user: 'brian',
      instance: 'django2',
    })
  })

  it('refuses a wrong password with the page again, and says nothing about who exists', async () => {
    const wrong = await signIn('brian', 'wrong-password', '/')
    const unknown = await signIn('nobody', 'wrong-password', '/')
    expect([wrong.status, unknown.status]).toEqual([401, 401])
    expect(wrong.headers['set-cookie']).toBeUndefined()
    const anonymous = (answer: Answer, name: string) =>
      answer.body.replaceAll(name, 'NAME').replaceAll(String(answer.headers['x-request-id']), 'ID')
    expect(anonymous(wrong, 'brian')).toBe(anonymous(unknown, 'nobody'))
  })

  it.each([
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    '/\t/evil.example',
    'javascript:alert(1)',
    '\\\\evil',
    '',
  ])('never leaves the site for %j after signing in', async (next) => {
    const answer = await signIn('brian', passwordOf('brian'), next)
    expect(answer.status).toBe(303)
    expect(answer.headers.location).toMatch(/^\/(?![/\\])/)
    expect(new URL(answer.headers.location!, layout().url).origin).toBe(new URL(layout().url).origin)
  })

  it.each([
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['a null origin', { origin: 'null' }],
    ['a cross-site fetch', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
  ])('sets no cookie for a form from %s', async (_, headers) => {
    const answer = await signIn('brian', passwordOf('brian'), '/', headers)
    expect(answer.status).toBe(403)
    expect(answer.headers['set-cookie']).toBeUndefined()
  })

  it('accepts no cookie with a changed character', async () => {
    const cookie = cookieOf(await signIn('brian', passwordOf('brian'), '/'))
    for (let at = '__Host-mux='.length; at < cookie.length; at += 7) {
      const flipped = cookie.slice(0, at) + (cookie[at] === 'A' ? 'B' : 'A') + cookie.slice(at + 1)
      expect((await ask(layout().url, '/', { headers: { cookie: flipped } })).status).toBe(401)
    }
  })

  it('ends the session at sign-out, in the browser and for whoever has a copy of the cookie', async () => {
    const { url } = layout()
    const cookie = cookieOf(await signIn('brian', passwordOf('brian'), '/'))
    const answer = await ask(url, '/_mux/signout', {
      method: 'POST',
      headers: { cookie, origin: new URL(url).origin, host: new URL(url).host },
    })
    expect(answer.status).toBe(303)
    expect(answer.headers['set-cookie']![0]).toMatch(/^__Host-mux=;.*(Max-Age=0|Expires=Thu, 01 Jan 1970)/)
    expect(answer.headers['clear-site-data']).toBe('"cache", "cookies", "storage"')
    expect((await ask(url, '/', { headers: { cookie } })).status).toBe(401)
  })

  it('ends the sessions of a user whose password is changed', async () => {
    await layout().addUser('changer', 'django1')
    const cookie = cookieOf(await signIn('changer', passwordOf('changer'), '/'))
    expect((await ask(layout().url, '/', { headers: { cookie } })).status).toBe(200)
    await layout().must(['user', 'password', 'changer', '--password-stdin'], { input: 'another-password\n' })
    expect((await ask(layout().url, '/', { headers: { cookie } })).status).toBe(401)
    expect((await ask(layout().url, '/', { user: 'changer' })).status).toBe(401)
  })

  it('answers the sign-in page with a policy that allows no script and no frame', async () => {
    const page = await ask(layout().url, '/_mux/signin?next=%2F%22%3E%3Cscript%3E')
    expect(page.status).toBe(200)
    expect(page.headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(page.headers['cache-control']).toBe('no-store')
    expect(page.body).not.toContain('"><script>')
  })
}

import { expect, it } from 'vitest'
import { type Answer, ask } from '../harness/client.ts'
import type { Layout } from '../harness/layout.ts'
import { passwordOf } from '../harness/project.ts'
import { signIn as postSignIn, type SignIn, signOut } from '../harness/sign-in.ts'

/** Signing in at the page, being signed in by the cookie, and no longer being so. */
export function sessions(layout: () => Layout): void {
  const signIn = (username: string, more: Partial<SignIn> = {}) =>
    postSignIn(layout().url, { username, ...more })
  const statusWith = async (cookie: string, path = '/') =>
    (await ask(layout().url, path, { headers: { cookie } })).status

  it('signs in by the form, goes where the browser was going, and is that user from then on', async () => {
    const answer = await signIn('Brian', { password: passwordOf('brian'), next: '/notes?x=1' })
    expect([answer.status, answer.headers.location]).toEqual([303, '/notes?x=1'])
    expect(answer.headers['set-cookie']![0]).toMatch(/^__Host-mux=[^;]+; .*Path=\/.*HttpOnly.*/)
    expect(answer.headers['set-cookie']![0]).toMatch(/Secure/)
    expect(answer.headers['set-cookie']![0]).toMatch(/SameSite=(Lax|Strict)/)
    const { cookie } = answer
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
    const wrong = await signIn('brian', { password: 'wrong-password' })
    const unknown = await signIn('nobody', { password: 'wrong-password' })
    await layout().addUser('shut', 'django1')
    await layout().must(['user', 'disable', 'shut'])
    const disabled = await signIn('shut')
    expect([wrong.status, unknown.status, disabled.status]).toEqual([401, 401, 401])
    expect(wrong.headers['set-cookie']).toBeUndefined()
    const anonymous = (answer: Answer, name: string) =>
      answer.body.replaceAll(name, 'NAME').replaceAll(String(answer.headers['x-request-id']), 'ID')
    expect(anonymous(wrong, 'brian')).toBe(anonymous(unknown, 'nobody'))
    expect(anonymous(disabled, 'shut')).toBe(anonymous(unknown, 'nobody'))
  })

  it('keeps what has to do with signing in from every cache', async () => {
    const { url } = layout()
    const { cookie, headers } = await signIn('brian')
    for (const answer of [
      { headers },
      await ask(url, '/_mux/signin'),
      await ask(url, '/_mux/session', { headers: { cookie } }),
      await ask(url, '/', { headers: { accept: 'text/html' } }),
      await ask(url, '/'),
      await ask(url, '/_mux/none'),
      await signIn('brian', { password: 'wrong-password' }),
      await signIn('brian', { headers: { origin: 'null' } }),
      await signOut(url, { cookie }),
    ])
      expect(answer.headers['cache-control']).toBe('no-store')
  })

  it('gives the longest name a cookie that every browser keeps', async () => {
    const name = `n${'.@+-'.repeat(15)}end`
    expect(name).toHaveLength(64)
    await layout().addUser(name, 'django1')
    const { cookie, headers } = await signIn(name)
    expect(headers['set-cookie']![0]!.length).toBeLessThan(1024)
    const page = await ask(layout().url, '/cookies', { headers: { cookie } })
    expect(page.json().headers).toContain(name)
    for (const set of page.headers['set-cookie']!) expect(set.length).toBeLessThan(4096)
  })

  it('ends the session at sign-out, in the browser and for whoever has a copy of the cookie', async () => {
    const { url } = layout()
    const { cookie } = await signIn('brian')
    const answer = await signOut(url, { cookie })
    expect(answer.status).toBe(303)
    expect(answer.headers['set-cookie']![0]).toMatch(/^__Host-mux=;.*(Max-Age=0|Expires=Thu, 01 Jan 1970)/)
    expect(answer.headers['clear-site-data']).toBe('"cache", "cookies", "storage"')
    expect((await ask(url, '/', { headers: { cookie } })).status).toBe(401)
  })

  it('ends the sessions of a user whose password is changed', async () => {
    await layout().addUser('changer', 'django1')
    const { cookie } = await signIn('changer')
    expect((await ask(layout().url, '/', { headers: { cookie } })).status).toBe(200)
    await layout().must(['user', 'password', 'changer', '--password-stdin'], { input: 'another-password\n' })
    expect((await ask(layout().url, '/', { headers: { cookie } })).status).toBe(401)
    expect((await ask(layout().url, '/', { user: 'changer' })).status).toBe(401)
  })

  it('leaves a user signed in who is moved, and ends that by what ends sessions', async () => {
    await layout().addUser('settler', 'django1')
    const { cookie } = await signIn('settler')
    const instance = async () =>
      (await ask(layout().url, '/', { headers: { cookie } })).json().instance as string
    expect(await instance()).toBe('django1')
    await layout().must(['user', 'move', 'settler', '--instance', 'django3'])
    expect(await instance()).toBe('django3')
    await layout().must(['user', 'disable', 'settler'])
    await layout().must(['user', 'enable', 'settler'])
    expect(await statusWith(cookie)).toBe(401)
    const again = await signIn('settler')
    expect(await statusWith(again.cookie)).toBe(200)
    await layout().must(['user', 'sign-out', 'settler'])
    expect(await statusWith(again.cookie)).toBe(401)
  })

  it.each([
    ['disabled', ['user', 'disable']],
    ['removed', ['user', 'remove', '--yes']],
  ])(
    'lets nobody in by the session, the token or the password of a user who is %s',
    async (what, command) => {
      await layout().addUser(what, 'django1')
      const { token } = (await layout().must(['token', 'create', what, '--json'])).json()
      const { cookie } = await signIn(what)
      const bearer = { authorization: `Bearer ${token}` }
      const statuses = async () => [
        await statusWith(cookie),
        (await ask(layout().url, '/', { headers: bearer })).status,
        (await ask(layout().url, '/', { user: what })).status,
        (await signIn(what)).status,
      ]
      expect(await statuses()).toEqual([200, 200, 200, 303])
      await layout().must([...command, what])
      expect(await statuses()).toEqual([401, 401, 401, 401])
    },
  )

  it('answers the sign-in page with a policy that allows no script and no frame', async () => {
    const page = await ask(layout().url, '/_mux/signin?next=%2F%22%3E%3Cscript%3E')
    expect(page.status).toBe(200)
    expect(page.headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(page.headers['cache-control']).toBe('no-store')
    expect(page.body).not.toContain('"><script>')
  })
}

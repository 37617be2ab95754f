import { expect, it } from 'vitest'
import { type Answer, ask, valuesOf } from '../harness/client.ts'
import { type Layout, ledgerLines, requestLines } from '../harness/layout.ts'
import { watched } from '../harness/processes.ts'
import { passwordOf } from '../harness/project.ts'
import { signIn } from '../harness/sign-in.ts'
import { until } from '../harness/until.ts'

/** Who is served by what, and what those get who are served by nothing. */
export function routing(layout: () => Layout): void {
  it('gives each user their own instance at the one URL', async () => {
    const [graham, brian] = await Promise.all([
      ask(layout().url, '/', { user: 'graham' }),
      ask(layout().url, '/', { user: 'brian' }),
    ])
    expect(graham.json()).toMatchObject({ instance: 'django1' })
    expect(brian.json()).toMatchObject({ instance: 'django2', colour: 'blue' })
    expect(graham.json().pid).not.toBe(brian.json().pid)
  })

  it('serves a user from the new instance once they are moved, and never from both at a time', async () => {
    const { url } = layout()
    await layout().addUser('mover', 'django1')
    expect((await ask(url, '/', { user: 'mover' })).json().instance).toBe('django1')
    await layout().must(['user', 'move', 'mover', '--instance', 'django3'])
    for (let n = 0; n < 5; n++) {
      expect((await ask(url, '/', { user: 'mover' })).json()).toMatchObject({ instance: 'django3' })
    }
  })

  it('lets nobody into the instance of before whose move an edge has not heard of yet', async () => {
    const { url, project } = layout()
    await layout().addUser('moved', 'django1')
    expect((await ask(url, '/', { user: 'moved' })).json().instance).toBe('django1')
    // Not by way of the layout, which would carry it to the edge.
    await project.must(['user', 'move', 'moved', '--instance', 'django3'])
    const answer = await ask(url, '/', { user: 'moved' })
    if (answer.status === 200) expect(answer.json().instance).toBe('django3')
    else {
      expect([answer.status, answer.json().code]).toEqual([503, 'registry_stale'])
      expect(answer.headers['retry-after']).toMatch(/^\d+$/)
    }
  })

  it("takes nobody to another user's instance by a name in the host, the path, the query, a header or a cookie", async () => {
    const { url, project } = layout()
    const before = await reachedBy('django1')
    for (const options of [
      { host: 'django1' },
      { host: 'django1.notes.example' },
      { host: 'graham.notes.example' },
      { 'x-forwarded-host': 'django1.notes.example' },
      { 'mux-instance': 'django1' },
      { mux_instance: 'django1' },
      { 'mux-user': 'graham' },
      { 'x-remote-user': 'graham' },
      { 'x-original-url': '/django1/' },
      { cookie: 'mux~django1~graham~sessionid=x; __Host-mux=graham' },
    ])
      expect((await ask(url, '/probe', { user: 'brian', headers: options })).json().instance).toBe('django2')
    for (const target of [
      '/django1/',
      '//django1/',
      '/graham',
      '/django2;django1',
      '/%64jango1',
      '/?mux-instance=django1&mux_user=graham',
    ])
      expect((await ask(url, target, { user: 'brian' })).json().instance).toBe('django2')
    expect(await reachedBy('django1')).toBe(before)

    async function reachedBy(name: string): Promise<number> {
      return (await ledgerLines(project)).filter((line) => line.startsWith(`request ${name} `)).length
    }
  })

  it('tells an instance that several users share who each of them is', async () => {
    const { url } = layout()
    const users = ['eric', 'neil', 'carol']
    for (const user of users) await layout().addUser(user, 'django2')
    const asked = Array.from({ length: 30 }, (_, n) => users[n % users.length]!)
    const answers = await Promise.all(asked.map((user) => ask(url, '/', { user })))
    for (const [at, answer] of answers.entries()) {
      expect(answer.json().instance).toBe('django2')
      expect(valuesOf(answer.json().headers, 'mux-user')).toEqual([asked[at]])
      expect(valuesOf(answer.json().headers, 'x-remote-user')).toEqual([asked[at]])
    }
  })

  it('takes the names of what every object has for names like any other', async () => {
    const { url } = layout()
    for (const name of ['__proto__', 'constructor', 'tostring', 'hasownproperty']) {
      expect((await ask(url, '/', { headers: { host: name } })).status).toBe(401)
      expect((await ask(url, '/', { user: 'brian', headers: { host: name } })).json().instance).toBe(
        'django2',
      )
      expect((await ask(url, `/${name}?${name}=1`, { user: 'brian', headers: { [name]: '1' } })).status).toBe(
        200,
      )
      const authorization = `Bearer mux_${name}_${'0'.repeat(40)}`
      expect((await ask(url, '/', { headers: { authorization } })).status).toBe(401)
    }
    await layout().addUser('constructor', 'django2')
    expect((await ask(url, '/', { user: 'constructor' })).json().instance).toBe('django2')
    const refused = await layout().run(['user', 'add', '__proto__', '--instance', 'django2', '--generate'])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('[name_invalid]')])
  })

  it('lets nobody in who was removed with their instance, and ends its process', async () => {
    const { url, project } = layout()
    await layout().must(['user', 'add', 'leaver', '--instance', 'leaving', '--create', '--password-stdin'], {
      input: `${passwordOf('leaver')}\n`,
    })
    const { cookie } = await signIn(url, { username: 'leaver' })
    const left = await watched([(await ask(url, '/', { headers: { cookie } })).json().pid])
    await layout().must(['user', 'remove', 'leaver', '--with-instance', '--yes'])
    const before = (await requestLines(project)).length
    expect((await ask(url, '/', { headers: { cookie } })).status).toBe(401)
    expect((await ask(url, '/', { user: 'leaver' })).status).toBe(401)
    expect((await requestLines(project)).length).toBe(before)
    expect(await left()).toEqual([])
  })

  it('starts one process for two hundred first requests at once, and answers them all', async () => {
    const { url, project } = layout()
    await layout().addUser('crowd', 'slow')
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => ask(url, `/${n}`, { user: 'crowd' })),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array(200).fill(200))
    expect(new Set(answers.map((answer) => answer.json().pid)).size).toBe(1)
    expect(answers.map((answer) => answer.json().target)).toEqual(
      Array.from({ length: 200 }, (_, n) => `/${n}`),
    )
    expect((await ledgerLines(project)).filter((line) => line.startsWith('boot slow'))).toHaveLength(1)
  })

  it('answers 401 to no credentials, wrong ones, an unknown user and a disabled one alike', async () => {
    const { url, project } = layout()
    await layout().addUser('gone', 'django1')
    await layout().must(['user', 'disable', 'gone'])
    const before = (await requestLines(project)).length
    const wrong = (name: string) => ({ authorization: `Basic ${btoa(`${name}:wrong-password`)}` })
    const answers = [
      await ask(url, '/x'),
      await ask(url, '/x', { headers: wrong('brian') }),
      await ask(url, '/x', { headers: wrong('nobody') }),
      await ask(url, '/x', { user: 'gone' }),
      await ask(url, '/x', { headers: { authorization: 'Bearer mux_none_none' } }),
      await ask(url, '/x', { headers: { cookie: '__Host-mux=forged' } }),
    ]
    const namesOf = ({ rawHeaders }: Answer) => rawHeaders.filter((_, at) => at % 2 === 0).join()
    for (const answer of answers) {
      expect(answer.status).toBe(401)
      expect(namesOf(answer)).toBe(namesOf(answers[0]!))
      expect(answer.headers['www-authenticate']).toBe('Basic realm="mux", charset="UTF-8"')
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(answer.headers['cache-control']).toBe('no-store')
      const { request_id, ...document } = answer.json()
      expect(request_id).toMatch(/\S{8}/)
      expect(document).toEqual({
        type: 'urn:mux:problem:unauthenticated',
        title: 'Sign in to go on.',
        status: 401,
        code: 'unauthenticated',
      })
    }
    expect((await requestLines(project)).length).toBe(before)
  })

  it('sends a browser without credentials to the sign-in page, and remembers where it was going', async () => {
    const answer = await ask(layout().url, '/notes?id=7&x=%2F', { headers: { accept: 'text/html' } })
    expect(answer.status).toBe(303)
    expect(new URL(answer.headers.location!, layout().url).pathname).toBe('/_mux/signin')
    expect(new URL(answer.headers.location!, layout().url).searchParams.get('next')).toBe('/notes?id=7&x=%2F')
    // Percent-encoded, this one would be longer than any address that is taken.
    const long = await ask(layout().url, `/${'!*'.repeat(7_000)}?${'='.repeat(1_000)}`, {
      headers: { accept: 'text/html' },
    })
    expect([long.status, long.headers.location]).toEqual([303, '/_mux/signin'])
  })

  it('answers 403 no_instance to a user without an entry, as a document or as a page', async () => {
    await layout().addUser('unmapped', 'django1')
    await unmap(layout(), 'unmapped')
    const answer = await ask(layout().url, '/', { user: 'unmapped' })
    expect(answer.status).toBe(403)
    expect(answer.json().code).toBe('no_instance')
    const page = await ask(layout().url, '/', { user: 'unmapped', headers: { accept: 'text/html' } })
    expect(page.status).toBe(403)
    expect(page.headers['content-type']).toMatch(/^text\/html/)
    expect(page.headers['content-security-policy']).toContain("default-src 'none'")
  })

  it('answers 421 misdirected when the record points to a host without that instance', async () => {
    await layout().addUser('astray', 'django1')
    await layout().misdirect('astray')
    const answer = await ask(layout().url, '/', { user: 'astray' })
    expect([answer.status, answer.json().code]).toEqual([421, 'misdirected'])
  })

  it('answers 503 instance_failed, with the time to come back, for an instance that dies at its start', async () => {
    await layout().addUser('unlucky', 'broken')
    const answer = await until('instance_failed', async () => {
      const found = await ask(layout().url, '/', { user: 'unlucky' })
      return found.json().code === 'instance_failed' ? found : undefined
    })
    expect(answer.status).toBe(503)
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(answer.body).not.toContain('no database')
  })

  it('answers 504 instance_start_timeout when an instance is not ready in time', async () => {
    await layout().addUser('waiter', 'late')
    const answer = await ask(layout().url, '/', { user: 'waiter' })
    expect([answer.status, answer.json().code]).toEqual([504, 'instance_start_timeout'])
  })

  it("answers 503 instance_stopped with the operator's message while the operator has stopped it, and serves again after", async () => {
    const { url } = layout()
    await layout().addUser('patient', 'django3')
    await layout().must(['instance', 'stop', 'django3', '--message', 'Back at noon.'])
    const answer = await ask(url, '/', { user: 'patient' })
    expect([answer.status, answer.json().code, answer.json().detail]).toEqual([
      503,
      'instance_stopped',
      'Back at noon.',
    ])
    await layout().must(['instance', 'start', 'django3'])
    expect((await ask(url, '/', { user: 'patient' })).status).toBe(200)
  })

  it('answers 502 instance_unreachable when the instance dies before it answers, and serves the next request', async () => {
    const { url } = layout()
    const answer = await ask(url, '/die', { user: 'brian', method: 'POST' })
    expect([answer.status, answer.json().code]).toEqual([502, 'instance_unreachable'])
    expect((await ask(url, '/', { user: 'brian' })).status).toBe(200)
  })

  it('serves a public route without credentials and without an identity', async () => {
    await layout().must(['route', 'set', 'public.example', '--instance', 'django1', '--public'])
    const answer = await ask(layout().url, '/', { headers: { host: 'public.example' } })
    expect(answer.status).toBe(200)
    const names = (answer.json().headers as string[])
      .filter((_, n) => n % 2 === 0)
      .map((name) => name.toLowerCase())
    expect(names).not.toContain('mux-user')
    expect(names).not.toContain('x-remote-user')
    await layout().must(['route', 'remove', 'public.example'])
    expect((await ask(layout().url, '/', { headers: { host: 'public.example' } })).status).toBe(401)
  })

  it('serves whoever has no entry from the default route, and others still from their own', async () => {
    await layout().addUser('stray', 'django1')
    await unmap(layout(), 'stray')
    await layout().must(['route', 'set', '*', '--instance', 'django3'])
    expect((await ask(layout().url, '/', { user: 'stray' })).json().instance).toBe('django3')
    expect((await ask(layout().url, '/', { user: 'brian' })).json().instance).toBe('django2')
    expect((await ask(layout().url, '/')).status).toBe(401)
    await layout().must(['route', 'remove', '*'])
    expect((await ask(layout().url, '/', { user: 'stray' })).status).toBe(403)
  })

  it('answers 503 for the one user whose record is damaged, and serves the others', async () => {
    await layout().addUser('damaged', 'django1')
    await layout().plant('user', 'damaged', '{"v":1,')
    const answer = await ask(layout().url, '/', { user: 'damaged' })
    expect([answer.status, answer.json().code]).toEqual([503, 'registry_unavailable'])
    expect((await ask(layout().url, '/', { user: 'brian' })).status).toBe(200)
    await layout().must(['user', 'remove', 'damaged', '--yes'])
  })
}

/** No command leaves a user without an entry; a registry from elsewhere may. */
async function unmap(layout: Layout, user: string): Promise<void> {
  await layout.plantUser(user, { instance: null, target: null })
}

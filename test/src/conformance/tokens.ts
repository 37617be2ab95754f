import { beforeAll, expect, it } from 'vitest'
import { ask } from '../harness/client.ts'
import type { Layout } from '../harness/layout.ts'
import { basic } from '../harness/project.ts'
import { readRecord } from '../harness/registry.ts'

/** Signing in by an API token. */
export function tokens(layout: () => Layout): void {
  let id: string
  let token: string
  beforeAll(async () => {
    const made = (await layout().must(['token', 'create', 'brian', '--label', 'ci', '--json'])).json()
    id = made.id
    token = made.token
  })

  const statusOf = async (authorization: string, target = '/') =>
    (await ask(layout().url, target, { headers: { authorization } })).status
  const changed = () => token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')

  it('serves its user, as Bearer and as the password in Basic', async () => {
    for (const authorization of [`Bearer ${token}`, basic('brian', token)]) {
      const answer = await ask(layout().url, '/', { headers: { authorization } })
      expect(answer.status).toBe(200)
      expect(answer.json().instance).toBe('django2')
      expect(answer.body).not.toContain(token)
    }
  })

  it('opens no WebSocket for a page of another origin when a browser may have sent it, as it does Basic', async () => {
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
    const asked = {
      ...upgrade,
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      origin: 'https://evil.example',
    }
    const ofBasic = { ...asked, authorization: basic('brian', token) }
    const refused = await ask(layout().url, '/ws-refused', { headers: ofBasic })
    expect([refused.status, refused.json().code]).toEqual([403, 'cross_site'])
    const ofBearer = { ...asked, authorization: `Bearer ${token}` }
    expect((await ask(layout().url, '/ws-refused', { headers: ofBearer })).body).toMatch(/^refused \[/)
  })

  it('signs in nobody with a character changed, under another name, or from the query', async () => {
    expect(await statusOf(`Bearer ${changed()}`)).toBe(401)
    expect(await statusOf(basic('brian', changed()))).toBe(401)
    expect(await statusOf(basic('graham', token))).toBe(401)
    expect((await ask(layout().url, `/?access_token=${token}`)).status).toBe(401)
  })

  it('works no longer from the moment on at which it expires', async () => {
    const made = (await layout().must(['token', 'create', 'brian', '--expires', '30d', '--json'])).json()
    expect(await statusOf(`Bearer ${made.token}`)).toBe(200)
    const record = readRecord(layout().project, 'token', made.id)
    const expires = new Date(Date.now() - 1000).toISOString()
    await layout().plant('token', made.id, JSON.stringify({ ...record, expires }))
    expect(await statusOf(`Bearer ${made.token}`)).toBe(401)
    expect(await statusOf(basic('brian', made.token))).toBe(401)
  })

  it('works no longer once it is revoked', async () => {
    await layout().must(['token', 'revoke', id])
    expect(await statusOf(`Bearer ${token}`)).toBe(401)
  })
}

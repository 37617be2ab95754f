import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { gunicornFor } from './harness/django.ts'
import { echoYaml, fixtureCommand } from './harness/echo.ts'
import { leave } from './harness/nothing-left.ts'
import { FIXTURES, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'

const gunicorn = gunicornFor('what gunicorn makes of headers')

const IDENTITY = { 'mux-user': 'brian', 'x-remote-user': 'brian' }
/** Each folded as whatever is most careless would do it. */
const fold = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '-')

/** All that a client can write that some server takes for a header of ours, with a value that shows. */
function forged(): Record<string, string | string[]> {
  const names = [
    'mux-user',
    'mux-instance',
    'x-remote-user',
    'remote-user',
    'http-mux-user',
    'x-forwarded-for',
    'x-forwarded-host',
  ]
  const spelled = [
    ...names,
    'x-forwarded-proto',
    'x-request-id',
    'script-name',
    'path-info',
    'remote-addr',
    'proxy',
    'forwarded',
  ].flatMap((name) =>
    ['-', '_', '.', '~', '+'].flatMap((sign) => [
      name.replaceAll('-', sign),
      name.replace('-', sign),
      name.replaceAll('-', sign).toUpperCase(),
    ]),
  )
  const headers = spelled
    .filter((name) => !name.toLowerCase().startsWith('http'))
    .map((name) => [name, ['admin', 'admin, root']])
  return {
    ...Object.fromEntries(headers),
    connection: 'close, mux-user, x-remote-user, x-forwarded-for',
    content_type: 'admin',
    Content_Length: '7',
  }
}

describe('what a backend believes of a request is what mux says', () => {
  let project: Project
  let running: Running
  beforeAll(async () => {
    const wsgi = JSON.stringify([
      gunicorn ?? 'gunicorn',
      '--chdir',
      FIXTURES,
      '--bind',
      'unix:{socket}',
      'environ:application',
    ])
    project = await Project.create(
      echoYaml(
        `{ raw: { command: ${fixtureCommand('raw-echo.mjs')} }, wsgi: { command: ${wsgi}, settings: { PYTHONDONTWRITEBYTECODE: "1" } } }`,
      ),
    )
    running = await Running.up(project)
    await project.must(['route', 'set', 'wsgi.example', '--instance', 'wsgi'])
    await project.must(['route', 'set', 'open.example', '--instance', 'raw', '--public'])
    await project.addUser('brian', 'raw')
  })
  afterAll(() => leave(project, running))

  /** The headers that a program without any parser gets, by their folded names. */
  async function received(
    headers: Record<string, string | string[]>,
    user?: string,
  ): Promise<Map<string, string[]>> {
    const answer = await ask(running.url, '/', {
      ...(user ? { user } : {}),
      headers: { ...forged(), ...headers },
    })
    expect(answer.status).toBe(200)
    const found = new Map<string, string[]>()
    for (const line of (answer.json() as string).split('\r\n').slice(1)) {
      const [name, value] = line.split(/: ?(.*)/s) as [string, string]
      found.set(fold(name), [...(found.get(fold(name)) ?? []), value])
    }
    return found
  }

  it.each([
    ['a request', {}],
    [
      'an upgrade',
      {
        connection: 'Upgrade, mux-user',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    ],
  ])('by the bytes of %s: each trusted name once, in any folding', async (_, headers) => {
    const found = await received(headers, 'brian')
    for (const [name, value] of Object.entries(IDENTITY)) expect(found.get(name)).toEqual([value])
    expect(found.get('mux-instance')).toEqual(['raw'])
    expect(found.get('x-forwarded-for')).toEqual(['127.0.0.1'])
    for (const name of ['x-forwarded-proto', 'x-forwarded-host', 'x-request-id', 'host'])
      expect(found.get(name)).toHaveLength(1)
    expect([...found.values()].flat().join('\n')).not.toMatch(/admin|root/)
  })

  it('by the bytes of a request of nobody: no trusted name of a user, not even an empty one', async () => {
    const found = await received({ host: 'open.example' })
    expect([...found.keys()].filter((name) => /user|ident/.test(name) && name !== 'user-agent')).toEqual([])
    expect([...found.values()].flat().join('\n')).not.toMatch(/admin|root/)
  })

  it.skipIf(!gunicorn)('by what gunicorn makes of it for WSGI', async () => {
    const answer = await ask(running.url, '/a%2Fb', {
      user: 'brian',
      headers: { ...forged(), host: 'wsgi.example' },
    })
    const environ = answer.json() as Record<string, string>
    expect(environ).toMatchObject({
      HTTP_MUX_USER: 'brian',
      HTTP_X_REMOTE_USER: 'brian',
      HTTP_MUX_INSTANCE: 'wsgi',
    })
    expect(environ).toMatchObject({ HTTP_X_FORWARDED_FOR: '127.0.0.1', SCRIPT_NAME: '', RAW_URI: '/a%2Fb' })
    expect(environ).not.toHaveProperty('REMOTE_USER')
    expect(environ).not.toHaveProperty('CONTENT_TYPE', 'admin')
    expect(Object.values(environ).join('\n')).not.toMatch(/admin|root/)
  })
})

import { once } from 'node:events'
import { copyFile, readdir, stat } from 'node:fs/promises'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { leave } from './harness/nothing-left.ts'
import { expectError } from './harness/outcomes.ts'
import { environmentOf, processesOf, watched } from './harness/processes.ts'
import { basic, FIXTURES, passwordOf, Project, type RunOptions } from './harness/project.ts'

/**
 * What a newcomer and then an operator does, from a directory with an application and nothing else to one that is as it
 * was. The tests build on each other, as the commands do.
 */
describe('from an application to a running site and back', () => {
  let project: Project
  let url: string
  const mux = async (args: string[], options?: RunOptions) => (await project.must(args, options)).stdout
  /** The one document of a command with --json, whose keys are contract. */
  const json = async (args: string[], keys: string[], options?: RunOptions) => {
    const outcome = await project.must([...args, '--json'], options)
    const document = outcome.json()
    expect(Object.keys(document).sort()).toEqual([...keys].sort())
    return document
  }
  const whoami = async (user: string, password = passwordOf(user)) => {
    const answer = await ask(url, '/', { headers: { authorization: basic(user, password) } })
    return answer.status === 200 ? answer.json() : answer.status
  }
  const served = async (user: string, password?: string) => (await whoami(user, password)).instance

  beforeAll(async () => {
    project = await Project.create(null)
    await copyFile(join(FIXTURES, 'echo.mjs'), project.path('server.mjs'))
    await project.write(
      'package.json',
      JSON.stringify({ name: 'notes', scripts: { start: 'node server.mjs' } }),
    )
  })
  afterAll(async () => {
    await project?.run(['down'])
    await leave(project)
  })

  it('init recognises the application and writes a mux.yaml that works for it', async () => {
    const { recognised, instances } = await json(
      ['init'],
      ['file', 'recognised', 'title', 'instances', 'url', 'advice'],
    )
    expect([recognised, instances]).toEqual(['node', ['notes1', 'notes2', 'notes3']])
    const yaml = await project.read('mux.yaml')
    expect(yaml).toContain('command: node server.mjs')
    expect(yaml.match(/#/g)!.length).toBeGreaterThan(5)
    expect((await readdir(project.directory)).sort()).toEqual(['mux.yaml', 'package.json', 'server.mjs'])
  })

  it('up --detach returns when the site is there, and says where', async () => {
    // `node` in mux.yaml is then the one that runs the tests.
    const env = { PATH: `${dirname(process.execPath)}:${process.env['PATH']}` }
    const up = await json(
      ['up', '--detach', '--listen', '127.0.0.1:0'],
      ['pid', 'url', 'instances', 'users', 'logs'],
      {
        env,
      },
    )
    url = up.url
    expect(up).toMatchObject({ instances: ['notes1', 'notes2', 'notes3'], users: 0 })
    expect((await ask(url, '/_mux/health')).status).toBe(200)
    expect(await (await watched([up.pid]))()).toEqual([up.pid])
  })

  it('user add gives somebody a free instance, and a password that works with the next request', async () => {
    const added = await json(
      ['user', 'add', 'graham', '--generate'],
      ['user', 'instance', 'changed', 'instanceCreated', 'password', 'supervisor'],
    )
    expect(added).toMatchObject({ user: 'graham', instance: 'notes1', changed: true, instanceCreated: false })
    expect(await served('graham', added.password)).toBe('notes1')
    await project.must(['user', 'password', 'graham', '--password-stdin'], { input: passwordOf('graham') })
  })

  it('user add --instance gives somebody that one, and says so', async () => {
    const said = await mux(['user', 'add', 'Brian', '--instance', 'notes2', '--password-stdin'], {
      input: `${passwordOf('brian')}\n`,
    })
    expect(said).toMatch(/brian.*notes2/)
    expect(await served('brian')).toBe('notes2')
  })

  it('user add again changes nothing and says so; with anything else it is a conflict', async () => {
    const before = await mux(['user', 'show', 'brian'])
    const again = ['user', 'add', 'brian', '--instance', 'notes2', '--password-stdin']
    const input = `${passwordOf('brian')}\n`
    expect(
      await json(again, ['user', 'instance', 'changed', 'instanceCreated', 'supervisor'], { input }),
    ).toMatchObject({
      changed: false,
    })
    expect(await mux(again, { input })).toMatch(/[Nn]othing was changed/)
    expectError(await project.run(again, { input: 'another-password\n' }), 4, 'user_exists')
    expectError(
      await project.run(['user', 'add', 'brian', '--instance', 'notes3', '--generate']),
      4,
      'user_exists',
    )
    expect(await mux(['user', 'show', 'brian'])).toBe(before)
  })

  it('user add --create makes the instance in the same step; without it, it is refused and nothing is made', async () => {
    const add = ['user', 'add', 'malcolm', '--instance', 'special', '--password-stdin']
    const input = `${passwordOf('malcolm')}\n`
    expectError(await project.run(add, { input }), 3, 'instance_not_found')
    expect(await whoami('malcolm')).toBe(401)
    const added = await json(
      [...add, '--create'],
      ['user', 'instance', 'changed', 'instanceCreated', 'supervisor'],
      { input },
    )
    expect(added).toMatchObject({ instance: 'special', instanceCreated: true, supervisor: 'told' })
    expect(await project.read('mux.yaml')).toMatch(/^ {2}special: /m)
    expect(await served('malcolm')).toBe('special')
  })

  it('user add names the next new instance itself when none is free', async () => {
    expect(await mux(['user', 'add', 'dora', '--generate'])).toContain('notes3')
    expect(await mux(['user', 'add', 'eve', '--generate'])).toContain('notes4')
    expect(await project.read('mux.yaml')).toMatch(/^ {2}notes4: /m)
  })

  it('user list and user show tell who is where, and no more', async () => {
    const { users } = await json(['user', 'list'], ['users'])
    expect(Object.keys(users[0]).sort()).toEqual(['changed', 'disabled', 'instance', 'name', 'problem'])
    expect(users.map((user: { name: string; instance: string }) => `${user.name} ${user.instance}`)).toEqual([
      'brian notes2',
      'dora notes3',
      'eve notes4',
      'graham notes1',
      'malcolm special',
    ])
    const listed = (await mux(['user', 'list'])).trimEnd().split('\n')
    expect(listed).toHaveLength(6)
    expect(listed[1]).toMatch(/^brian +notes2 +enabled/)
    expect(
      await json(
        ['user', 'show', 'brian'],
        ['name', 'instance', 'host', 'disabled', 'hasPassword', 'tokens', 'version', 'changed'],
      ),
    ).toMatchObject({ name: 'brian', instance: 'notes2', host: 'local', disabled: false, hasPassword: true })
  })

  it('user move is seen by the next request', async () => {
    const moved = await json(
      ['user', 'move', 'brian', '--instance', 'notes3'],
      ['user', 'instance', 'from', 'changed', 'instanceCreated', 'supervisor'],
    )
    expect(moved).toMatchObject({ from: 'notes2', instance: 'notes3', changed: true })
    expect(await served('brian')).toBe('notes3')
    expect(await mux(['user', 'move', 'brian', '--instance', 'notes3'])).toMatch(/[Nn]othing was changed/)
    await mux(['user', 'move', 'brian', '--instance', 'notes9', '--create'])
    expect(await served('brian')).toBe('notes9')
    await mux(['user', 'move', 'brian', '--instance', 'notes2'])
    expect(await served('brian')).toBe('notes2')
  })

  it('user password takes the old one out of use with the next request', async () => {
    const { password } = await json(
      ['user', 'password', 'brian', '--generate'],
      ['user', 'tokens', 'password'],
    )
    expect(await whoami('brian')).toBe(401)
    expect(await served('brian', password)).toBe('notes2')
    await json(['user', 'password', 'brian', '--password-stdin'], ['user', 'tokens'], {
      input: passwordOf('brian'),
    })
    expect(await served('brian')).toBe('notes2')
  })

  it('token create makes what a script signs in with, list tells of its use, and revoke ends it', async () => {
    const made = await json(
      ['token', 'create', 'brian', '--label', 'ci', '--expires', '90d'],
      ['id', 'token', 'user', 'label', 'expires'],
    )
    expect(await served('brian', made.token)).toBe('notes2')
    const { tokens } = await json(['token', 'list', '--user', 'brian'], ['tokens'])
    expect(tokens).toEqual([
      {
        id: made.id,
        user: 'brian',
        label: 'ci',
        expires: made.expires,
        expired: false,
        used: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
        problem: null,
      },
    ])
    await json(['token', 'revoke', made.id], ['id', 'user', 'label'])
    expect(await whoami('brian', made.token)).toBe(401)
  })

  it('key rotate signs nobody out; user sign-out does one, and key retire whoever has signed in before', async () => {
    const signIn = async (username: string) => {
      const answer = await ask(url, '/_mux/signin', {
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          origin: new URL(url).origin,
          host: new URL(url).host,
        },
        body: new URLSearchParams({ username, password: passwordOf(username) }).toString(),
      })
      return answer.headers['set-cookie']![0]!.split(';')[0]!
    }
    const status = async (cookie: string) => (await ask(url, '/_mux/session', { headers: { cookie } })).status
    const [brian, graham] = [await signIn('brian'), await signIn('graham')]
    expect(await json(['key', 'rotate'], ['host', 'kept', 'supervisor'])).toEqual({
      host: null,
      kept: 1,
      supervisor: 'told',
    })
    const since = await signIn('graham')
    expect([await status(brian), await status(graham), await status(since)]).toEqual([200, 200, 200])
    await json(['user', 'sign-out', 'brian'], ['user'])
    expect([await status(brian), await status(graham)]).toEqual([401, 200])
    expect(await served('brian')).toBe('notes2')
    expectError(await project.run(['key', 'retire']), 2, 'confirmation_needed')
    await json(['key', 'retire', '--yes'], ['host', 'retired', 'supervisor'])
    expect([await status(graham), await status(since)]).toEqual([401, 200])
  })

  it('user disable and enable shut somebody out and let them in again', async () => {
    expect(await json(['user', 'disable', 'brian'], ['user', 'disabled', 'changed'])).toMatchObject({
      changed: true,
    })
    expect(await whoami('brian')).toBe(401)
    expect(await json(['user', 'disable', 'brian'], ['user', 'disabled', 'changed'])).toMatchObject({
      changed: false,
    })
    expect(await served('graham')).toBe('notes1')
    expect(await json(['user', 'enable', 'brian'], ['user', 'disabled', 'changed'])).toMatchObject({
      disabled: false,
    })
    expect(await served('brian')).toBe('notes2')
  })

  it('user sign-out and token revoke close the WebSockets that were open by them, and no other', async () => {
    const open = async (authorization: string) => {
      const handshake = request(`${url}/ws`, {
        headers: {
          authorization,
          connection: 'upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        },
      })
      const [, socket] = (await once(handshake.end(), 'upgrade')) as [unknown, Socket]
      const received: Buffer[] = []
      socket.on('data', (chunk: Buffer) => received.push(chunk))
      return { socket, received }
    }
    const { id, token } = await json(
      ['token', 'create', 'graham'],
      ['id', 'token', 'user', 'label', 'expires'],
    )
    const brian = await open(basic('brian', passwordOf('brian')))
    const graham = await open(basic('graham', passwordOf('graham')))
    const script = await open(`Bearer ${token}`)
    await mux(['user', 'sign-out', 'brian'])
    await mux(['token', 'revoke', id])
    for (const { socket, received } of [brian, script]) {
      await expect.poll(() => socket.closed).toBe(true)
      // A Close frame with 1008.
      expect(Buffer.concat(received).subarray(-4).toString('hex')).toBe('880203f0')
    }
    expect(graham.socket.closed).toBe(false)
    graham.socket.destroy()
  })

  it('user import lets somebody in with the password that they have', async () => {
    await project.write('htpasswd', 'terry:$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.\n')
    expect(await mux(['user', 'import', 'htpasswd', '--instance', 'notes2'])).toMatch(/terry.*notes2/)
    expect(await served('terry', 'correct horse battery')).toBe('notes2')
    await mux(['user', 'remove', 'terry', '--yes'])
  })

  it('user remove shuts somebody out for good; with the instance, that is ended and undefined, and its data stay', async () => {
    const left = await watched([(await whoami('malcolm')).pid])
    const removed = await json(
      ['user', 'remove', 'malcolm', '--with-instance', '--yes'],
      ['user', 'tokens', 'instance', 'instanceRemoved', 'data'],
    )
    expect(removed).toMatchObject({
      instance: 'special',
      instanceRemoved: true,
      data: project.path('.mux/data/special'),
    })
    expect(await whoami('malcolm')).toBe(401)
    expect(await left()).toEqual([])
    expect((await stat(removed.data)).isDirectory()).toBe(true)
    expect(await project.read('mux.yaml')).not.toMatch(/^ {2}special: /m)
    await mux(['user', 'remove', 'eve', '--yes'])
    expect(await project.read('mux.yaml')).toMatch(/^ {2}notes4: /m)
  })

  it('instance add defines one that serves at once', async () => {
    expect(
      await json(
        ['instance', 'add', 'blue', '--set', 'COLOUR=blue'],
        ['instance', 'host', 'changed', 'supervisor'],
      ),
    ).toMatchObject({ instance: 'blue', changed: true, supervisor: 'told' })
    expect(
      await json(
        ['instance', 'add', 'blue', '--set', 'COLOUR=blue'],
        ['instance', 'host', 'changed', 'supervisor'],
      ),
    ).toMatchObject({
      changed: false,
    })
    await mux(['user', 'move', 'dora', '--instance', 'blue'])
    await project.must(['user', 'password', 'dora', '--password-stdin'], { input: passwordOf('dora') })
    expect(await whoami('dora')).toMatchObject({ instance: 'blue', colour: 'blue' })
  })

  it('instance set and unset give a running instance its settings with the next request, and no other', async () => {
    const before = [await whoami('graham'), await whoami('dora')]
    const set = await json(
      ['instance', 'set', 'blue', 'COLOUR=navy', 'OTHER=a=b c'],
      ['instance', 'set', 'unset', 'changed', 'restarted', 'restartNeeded'],
    )
    expect(set).toMatchObject({
      set: ['COLOUR', 'OTHER'],
      changed: true,
      restarted: { oldPid: before[1].pid },
    })
    const after = [await whoami('graham'), await whoami('dora')]
    expect(after[1]).toMatchObject({ instance: 'blue', colour: 'navy', pid: set.restarted.newPid })
    expect((await environmentOf(after[1].pid))['OTHER']).toBe('a=b c')
    expect(after[0].pid).toBe(before[0].pid)
    expect(await mux(['instance', 'set', 'blue', 'COLOUR=navy'])).toMatch(/[Nn]othing was changed/)
    expect((await whoami('dora')).pid).toBe(after[1].pid)

    await mux(['instance', 'set', 'blue', 'COLOUR=sky', '--no-restart'])
    expect((await whoami('dora')).colour).toBe('navy')
    await mux(['instance', 'unset', 'blue', 'COLOUR', 'OTHER'])
    expect((await whoami('dora')).colour).toBeNull()
  })

  it('instance set that keeps the instance from starting is taken back, and says why; nobody has noticed', async () => {
    const [before, yaml] = [await whoami('dora'), await project.read('mux.yaml')]
    const outcome = await project.run(['instance', 'set', 'blue', 'FAIL_BOOT=no database'])
    expectError(outcome, 1, 'instance_failed')
    expect(outcome.stderr).toContain('refusing to boot: no database')
    expect(await project.read('mux.yaml')).toBe(yaml)
    expect((await whoami('dora')).pid).toBe(before.pid)
  })

  it('instance list and instance show tell what one is made of', async () => {
    const { instances } = await json(['instance', 'list'], ['instances'])
    expect(Object.keys(instances[0]).sort()).toEqual([
      'host',
      'name',
      'ownSettings',
      'routes',
      'state',
      'status',
      'users',
    ])
    expect(instances.find((found: { name: string }) => found.name === 'notes2').users).toEqual(['brian'])
    const shown = await json(
      ['instance', 'show', 'notes2'],
      [
        'name',
        'users',
        'routes',
        'state',
        'status',
        'message',
        'settings',
        'data',
        'log',
        'command',
        'directory',
        'health',
        'boot',
        'restart',
        'idle',
        'idleIgnore',
        'limits',
        'stopSignal',
        'user',
        'group',
        'sandbox',
        'nice',
        'probe',
        'umask',
      ],
    )
    expect(shown).toMatchObject({
      command: ['node', 'server.mjs'],
      directory: project.directory,
      boot: 'lazy',
    })
    expect(shown.settings).toContainEqual({ name: 'NODE_ENV', value: 'production', from: 'app' })
    expect(await mux(['instance', 'show', 'notes2'])).toMatch(/^users +brian$/m)
  })

  it('instance restart replaces one process and tells which', async () => {
    const { pid } = await whoami('brian')
    const report = await json(
      ['instance', 'restart', 'notes2'],
      ['instance', 'oldPid', 'newPid', 'drained', 'took'],
    )
    expect(report).toMatchObject({ instance: 'notes2', oldPid: pid })
    expect((await whoami('brian')).pid).toBe(report.newPid)
  })

  it('instance stop tells its users why, and nobody else; instance start lets it serve again', async () => {
    const left = await watched([(await whoami('brian')).pid])
    await json(
      ['instance', 'stop', 'notes2', '--message', 'Back at noon.'],
      ['instance', 'running', 'status'],
    )
    expect(await left()).toEqual([])
    const answer = await ask(url, '/', { user: 'brian' })
    expect([answer.status, answer.json().code, answer.json().detail]).toEqual([
      503,
      'instance_stopped',
      'Back at noon.',
    ])
    const page = await ask(url, '/', { user: 'brian', headers: { accept: 'text/html' } })
    expect(page.body).toContain('Back at noon.')
    expect(await served('graham')).toBe('notes1')
    expect(await mux(['status', 'notes2'])).toContain('Back at noon.')
    const started = await json(['instance', 'start', 'notes2'], STATUS_KEYS)
    expect(started).toMatchObject({ name: 'notes2', state: 'ready' })
    expect((await whoami('brian')).pid).toBe(started.generation.pid)
  })

  it('instance logs shows what an instance has written', async () => {
    expect(await mux(['instance', 'logs', 'blue'])).toContain('refusing to boot: no database')
    const { lines } = await json(
      ['instance', 'logs', 'blue', '--lines', '1'],
      ['instance', 'file', 'present', 'lines'],
    )
    expect(lines).toHaveLength(1)
  })

  it('route set sends a host name to one instance, whoever asks; and everybody without one, where that is wanted', async () => {
    const at = async (host: string, user?: string) => {
      const answer = await ask(url, '/', { ...(user === undefined ? {} : { user }), headers: { host } })
      return answer.status === 200 ? answer.json().instance : answer.status
    }
    expect(
      await json(
        ['route', 'set', 'beta.example', '--instance', 'notes1'],
        ['key', 'instance', 'access', 'from', 'changed'],
      ),
    ).toMatchObject({ access: 'signed-in', from: null, changed: true })
    expect([
      await at('beta.example', 'brian'),
      await at('beta.example'),
      await at('www.example', 'brian'),
    ]).toEqual(['notes1', 401, 'notes2'])
    await mux(['route', 'set', 'Beta.Example', '--instance', 'notes2', '--public'])
    expect([await at('beta.example', 'graham'), await at('beta.example:8080')]).toEqual(['notes2', 'notes2'])
    await mux(['route', 'set', '*', '--instance', 'notes1', '--public'])
    expect([await at('www.example'), await at('www.example', 'brian')]).toEqual(['notes1', 'notes2'])

    const { routes } = await json(['route', 'list'], ['routes'])
    expect(routes).toEqual([
      { key: '*', instance: 'notes1', access: 'public', problem: null },
      { key: 'beta.example', instance: 'notes2', access: 'public', problem: null },
    ])
    expectError(await project.run(['instance', 'remove', 'notes2', '--yes']), 4, 'instance_in_use')
    await json(['route', 'remove', 'beta.example'], ['key'])
    await mux(['route', 'remove', '*'])
    expect([await at('beta.example', 'brian'), await at('www.example')]).toEqual(['notes2', 401])
  })

  it('instance remove ends one that nobody uses', async () => {
    await mux(['user', 'move', 'dora', '--instance', 'notes3'])
    const removed = await json(
      ['instance', 'remove', 'blue', '--purge', '--yes'],
      ['instance', 'host', 'data', 'supervisor'],
    )
    expect(removed.data).toBeNull()
    await expect(stat(project.path('.mux/data/blue'))).rejects.toThrow('ENOENT')
    const kept = await json(
      ['instance', 'remove', 'notes9', '--yes'],
      ['instance', 'host', 'data', 'supervisor'],
    )
    expect((await stat(kept.data)).isDirectory()).toBe(true)
    expect((await processesOf(project)).map((found) => found.instance)).not.toContain('blue')
  })

  it('status shows what runs and for whom', async () => {
    const status = await json(
      ['status'],
      ['host', 'pid', 'since', 'version', 'now', 'url', 'pool', 'instances'],
    )
    expect(status).toMatchObject({ url, pool: { max: 8 } })
    const brians = status.instances.find((found: { name: string }) => found.name === 'notes2')
    expect(Object.keys(brians).sort()).toEqual([...STATUS_KEYS, 'users'].sort())
    expect(brians).toMatchObject({ state: 'ready', users: ['brian'], inFlight: 0 })
    expect(await mux(['status'])).toMatch(/^notes2 +ready +\d+ /m)
  })

  it('mux.yaml has every comment and every line that it began with, in order, and only what was asked for besides', async () => {
    const fresh = await Project.create(null)
    await fresh.write('package.json', await project.read('package.json'))
    await copyFile(project.path('server.mjs'), fresh.path('server.mjs'))
    await fresh.must(['init'])
    expect(await project.read('mux.yaml')).toBe(`${await fresh.read('mux.yaml')}  notes4: {}\n`)
    await fresh.remove()
  })

  it('down ends everything, and what was known is known when it comes up again', async () => {
    const pids = (await processesOf(project)).map((found) => found.pid)
    expect(pids.length).toBeGreaterThan(1)
    const left = await watched(pids)
    await json(['down'], ['pid', 'took', 'leftovers'])
    expect(await left()).toEqual([])
    expectError(await project.run(['down']), 5, 'not_running')

    const env = { PATH: `${dirname(process.execPath)}:${process.env['PATH']}` }
    const { url: again } = await json(
      ['up', '--detach', '--listen', '127.0.0.1:0'],
      ['pid', 'url', 'instances', 'users', 'logs'],
      { env },
    )
    url = again
    expect([await served('brian'), await served('graham')]).toEqual(['notes2', 'notes1'])
    await mux(['down'])
  })
})

/** What `mux instance start` and, with `users`, each instance of `mux status` have. */
const STATUS_KEYS = [
  'name',
  'state',
  'generation',
  'inFlight',
  'waiting',
  'crashes',
  'lastExit',
  'nextTry',
  'reason',
  'lastActivity',
  'lastActivityBy',
  'idleStop',
]

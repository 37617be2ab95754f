import { execFile } from 'node:child_process'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { djangoProject, gunicornFor } from './harness/django.ts'
import { leave } from './harness/nothing-left.ts'
import { watched } from './harness/processes.ts'
import { passwordOf, type Project } from './harness/project.ts'
import { plantUser } from './harness/registry.ts'
import { Running } from './harness/running.ts'
import { until } from './harness/until.ts'

const gunicorn = gunicornFor('the original arrangement')

/**
 * Graham Dumpleton's arrangement of Apache and mod_wsgi, row by row, with mux in Apache's place: a map from users to
 * process groups, one Django process group each with settings of its own.
 */
describe.skipIf(!gunicorn)('the original arrangement, with a real Django under gunicorn', () => {
  let project: Project
  let running: Running
  const whoami = async (user: string) => (await ask(running.url, '/whoami', { user })).json()
  const instance = async (name: string) => {
    const status = await project.must(['status', '--json'])
    return status.json().instances.find((found: { name: string }) => found.name === name)
  }

  beforeAll(async () => {
    project = await djangoProject(gunicorn!)
    running = await Running.up(project)
    await project.addUser('graham', 'django1')
    await project.addUser('brian', 'django2')
    await project.addUser('malcolm', 'django3')
  })
  afterAll(async () => {
    await leave(project, running)
  })

  it('starts no process before the first request for it', async () => {
    expect((await instance('django1')).state).toBe('stopped')
    expect((await whoami('graham')).instance).toBe('django1')
    expect((await instance('django1')).state).toBe('ready')
    expect((await instance('django2')).state).toBe('stopped')
  })

  it('serves three users at one URL from three processes with three databases', async () => {
    const [graham, brian, malcolm] = await Promise.all(['graham', 'brian', 'malcolm'].map(whoami))
    expect([graham.instance, brian.instance, malcolm.instance]).toEqual(['django1', 'django2', 'django3'])
    expect([graham.user, brian.user, malcolm.user]).toEqual(['graham', 'brian', 'malcolm'])
    expect(new Set([graham.pid, brian.pid, malcolm.pid]).size).toBe(3)
    expect([graham.database, brian.database, malcolm.database]).toEqual([
      project.path('.mux/data/django1/db.sqlite3'),
      project.path('.mux/data/django2/brian.sqlite3'),
      project.path('.mux/data/django3/malcolm.sqlite3'),
    ])
  })

  it("shows each user their own notes only: what one writes, another's page has not", async () => {
    const page = await ask(running.url, '/', { user: 'brian' })
    const token = /name="csrfmiddlewaretoken" value="([^"]+)"/.exec(page.body)![1]!
    const posted = await ask(running.url, '/', {
      user: 'brian',
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        cookie: page.headers['set-cookie']!.map((cookie) => cookie.split(';')[0]).join('; '),
      },
      body: new URLSearchParams({ csrfmiddlewaretoken: token, text: 'only for Brian' }).toString(),
    })
    expect(posted.status).toBe(302)
    expect((await ask(running.url, '/', { user: 'brian' })).body).toContain('only for Brian')
    expect((await ask(running.url, '/', { user: 'graham' })).body).not.toContain('only for Brian')
  })

  it('reads an instance’s settings before the application is loaded, from the environment or from a module of its name', async () => {
    const [brian, malcolm] = await Promise.all(['brian', 'malcolm'].map(whoami))
    expect([brian.settings_came_first, malcolm.settings_came_first]).toEqual([true, true])
    expect([brian.settings_module, brian.title]).toEqual(['mysite.settings', "Brian's notes"])
    expect([malcolm.settings_module, malcolm.title]).toEqual(['mysite.django3_settings', "Malcolm's notes"])
  })

  it('lets ps tell which process is whose', async () => {
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-eo', 'pid=,args='])
    for (const [user, name] of [
      ['graham', 'django1'],
      ['brian', 'django2'],
    ] as const) {
      const { parent_pid } = await whoami(user)
      const line = stdout.split('\n').find((found) => Number.parseInt(found, 10) === parent_pid)
      expect(line).toContain(name)
    }
  })

  it('refuses a user whom the map does not name, rather than serving them from somewhere', async () => {
    await project.addUser('eve', 'django1')
    plantUser(project, 'eve', { instance: null, target: null })
    const unmapped = await ask(running.url, '/whoami', { user: 'eve' })
    expect([unmapped.status, unmapped.json().code]).toEqual([403, 'no_instance'])
    plantUser(project, 'eve', { instance: 'django9', target: { host: 'local', origin: 'local:' } })
    const mapped = await ask(running.url, '/whoami', { user: 'eve' })
    expect([mapped.status, mapped.json().code]).toEqual([503, 'instance_undefined'])
    await project.must(['user', 'remove', 'eve', '--yes'])
    expect((await ask(running.url, '/whoami', { user: 'eve' })).status).toBe(401)
  })

  it('takes nobody for somebody else by what they say of themselves, and makes no account of that name', async () => {
    const spellings = [
      'X-Remote-User',
      'X_Remote_User',
      'x_remote-user',
      'X.Remote.User',
      'Remote-User',
      'REMOTE_USER',
    ]
    for (const name of [...spellings, 'Mux-User', 'mux_user', 'HTTP_X_REMOTE_USER']) {
      for (const value of ['graham', 'graham, brian', 'brian,admin']) {
        const { user, instance } = (
          await ask(running.url, '/whoami', { user: 'brian', headers: { [name]: value } })
        ).json()
        expect([user, instance], `${name}: ${value}`).toEqual(['brian', 'django2'])
      }
    }
    const database = new DatabaseSync(project.path('.mux/data/django2/brian.sqlite3'), {
      readOnly: true,
      timeout: 60_000,
    })
    const names = database
      .prepare('SELECT username FROM auth_user')
      .all()
      .map(({ username }) => username)
    database.close()
    expect(names).toEqual(['brian'])
  })

  it('sees a change of the map with the very next request', async () => {
    await project.addUser('nomad', 'django1')
    for (const name of ['django2', 'django3', 'django1']) {
      await project.must(['user', 'move', 'nomad', '--instance', name])
      expect((await whoami('nomad')).instance).toBe(name)
    }
  })

  it('restarts one instance by its name, and no other', async () => {
    const before = await Promise.all(['graham', 'brian', 'malcolm'].map(whoami))
    const report = (await project.must(['instance', 'restart', 'django2', '--json'])).json()
    const after = await Promise.all(['graham', 'brian', 'malcolm'].map(whoami))
    expect(report).toMatchObject({
      instance: 'django2',
      oldPid: before[1].parent_pid,
      newPid: after[1].parent_pid,
    })
    expect(after[1].pid).not.toBe(before[1].pid)
    expect([after[0].pid, after[2].pid]).toEqual([before[0].pid, before[2].pid])
  })

  it('gives one instance new settings, and leaves the others their own', async () => {
    await project.must(['instance', 'set', 'django2', 'TITLE=Of Brian'])
    expect((await whoami('brian')).title).toBe('Of Brian')
    expect((await whoami('graham')).title).toBe('Notes')
    expect(await project.read('mux.yaml')).toContain('# may use /admin/ in this instance')
  })

  it('adds a person with an instance of their own in one step: settings, process, map and password', async () => {
    await project.must(['user', 'add', 'dora', '--instance', 'django4', '--create', '--password-stdin'], {
      input: `${passwordOf('dora')}\n`,
    })
    expect(await project.read('mux.yaml')).toMatch(/^ {2}django4:/m)
    expect(await whoami('dora')).toMatchObject({
      user: 'dora',
      instance: 'django4',
      database: project.path('.mux/data/django4/db.sqlite3'),
      notes: 0,
    })
    expect((await ask(running.url, '/whoami')).status).toBe(401)
  })

  it('removes that person again: the door first, then the map, then the process', async () => {
    const left = await watched([(await whoami('dora')).parent_pid])
    await project.must(['user', 'remove', 'dora', '--with-instance', '--yes'])
    expect((await ask(running.url, '/whoami', { user: 'dora' })).status).toBe(401)
    expect(await left()).toEqual([])
    expect(await instance('django4')).toBeUndefined()
    expect(await project.read('mux.yaml')).not.toMatch(/^ {2}django4:/m)
  })

  it('swaps the version behind a fixed key, whoever the user is', async () => {
    const at = async (user: string) =>
      (await ask(running.url, '/whoami', { user, headers: { host: 'localhost' } })).json().instance
    expect([await at('graham'), await at('brian')]).toEqual(['django1', 'django2'])
    await project.must(['route', 'set', 'localhost', '--instance', 'django3'])
    expect([await at('graham'), await at('brian')]).toEqual(['django3', 'django3'])
    await project.must(['route', 'set', 'localhost', '--instance', 'django1'])
    expect([await at('graham'), await at('brian')]).toEqual(['django1', 'django1'])
    await project.must(['route', 'remove', 'localhost'])
    expect([await at('graham'), await at('brian')]).toEqual(['django1', 'django2'])
  })

  it('loads an application before its first request where the operator wants that', async () => {
    const yaml = await project.read('mux.yaml')
    await running.stop()
    await project.write('mux.yaml', yaml.replace(/^ {2}django1: \{\}/m, '  django1: { boot: eager }'))
    running = await Running.up(project)
    await until('the preloaded instance', async () =>
      (await instance('django1')).state === 'ready' ? true : undefined,
    )
    expect((await instance('django2')).state).toBe('stopped')
  })

  it('leaves no process behind when it ends', async () => {
    const pids = await Promise.all(
      ['graham', 'brian', 'malcolm'].map(async (user) => (await whoami(user)).parent_pid),
    )
    const left = await watched(pids)
    expect(await running.stop()).toBe(0)
    expect(await left()).toEqual([])
  })
})

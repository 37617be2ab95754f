import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, chmod, chown, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { BROKEN_CONFIGS } from './bad-input/configs.ts'
import { randomLines, randomNumbers } from './bad-input/random-lines.ts'
import { ask } from './harness/client.ts'
import { CommandLines } from './harness/command-lines.ts'
import { echoYaml } from './harness/echo.ts'
import { interrupted } from './harness/interrupted.ts'
import { leave } from './harness/nothing-left.ts'
import { expectError, expectJsonError, expectNoStack } from './harness/outcomes.ts'
import { processesOf } from './harness/processes.ts'
import { muxCommand, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { type ProjectState, stateOf } from './harness/state.ts'
import { until } from './harness/until.ts'

const YAML = echoYaml('{ django1: {}, django2: {}, django3: {} }')

/** How soon a command that can do nothing says so, in milliseconds, and how often it is tried at most. */
const WITHIN = 2_000
const TRIES = 5

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

describe('a running system', () => {
  let project: Project
  let running: Running
  let lines: CommandLines
  let before: ProjectState
  let pid: number
  const served = async () => (await ask(running.url, '/', { user: 'graham' })).json()

  beforeAll(async () => {
    project = await Project.create(YAML)
    running = await Running.up(project)
    lines = await CommandLines.start(project)
    await project.addUser('graham', 'django1')
    await project.addUser('brian', 'django2')
    ;({ pid } = await served())
  })
  beforeEach(async () => {
    before = await stateOf(project)
  })
  afterEach(async () => {
    expect(await served()).toMatchObject({ instance: 'django1', pid })
  })
  afterAll(async () => {
    lines?.end()
    await leave(project, running)
  })

  describe('with a mux.yaml that became unusable', () => {
    afterEach(async () => {
      await rm(project.path('mux.yaml'), { recursive: true, force: true })
      await project.write('mux.yaml', YAML)
      expect(await stateOf(project)).toEqual(before)
    })

    it.each(BROKEN_CONFIGS)(
      '($title) changes nothing and says where it is wrong',
      async ({ text, line, names }) => {
        await writeFile(project.path('mux.yaml'), text)
        for (const args of [
          ['instance', 'set', 'django1', 'TITLE=new'],
          ['instance', 'restart', 'django1'],
          ['user', 'add', 'eve', '--instance', 'django1', '--generate'],
        ]) {
          const outcome = await lines.run(args)
          expectError(outcome, 1, 'config_invalid')
          expect(outcome.stderr).toContain('mux.yaml')
          expect(outcome.stderr).toMatch(names)
          if (line !== null) expect(outcome.stderr).toContain(`line ${line}: `)
        }
        const after = await stateOf(project)
        expect(after.records).toEqual(before.records)
        expect(Buffer.from(after.muxYaml)).toEqual(Buffer.from(text.toString('utf8')))
      },
    )

    it.each<[string, (file: string) => unknown]>([
      ['a directory', (file) => mkdir(file)],
      ['a symbolic link to itself', (file) => symlink(file, file)],
      ['a symbolic link to nothing', (file) => symlink('/nowhere/mux.yaml', file)],
      ['a pipe that nobody writes to', (file) => execFileSync('mkfifo', [file])],
    ])('(%s) says so, and does not wait for it', async (_, make) => {
      await rm(project.path('mux.yaml'))
      await make(project.path('mux.yaml'))
      const outcome = await lines.run(['instance', 'set', 'django1', 'TITLE=new'])
      expect([1, 3]).toContain(outcome.code)
      expect(outcome.stderr).toContain('mux.yaml')
      expectNoStack(outcome)
    })

    it('still ends on request', async () => {
      const other = await Project.create(YAML)
      const second = await Running.up(other)
      await other.write('mux.yaml', 'app: [')
      expect((await other.run(['down'])).code).toBe(0)
      expect(await second.stop()).toBe(0)
      await other.remove()
    })
  })

  it('reads a mux.yaml with a byte order mark and CRLF, and keeps both when it changes a setting', async () => {
    await writeFile(project.path('mux.yaml'), `\ufeff${YAML.replaceAll('\n', '\r\n')}`)
    await project.must(['instance', 'set', 'django3', 'TITLE=new'])
    const text = await project.read('mux.yaml')
    expect(text.startsWith('\ufeff')).toBe(true)
    expect(text).toContain('TITLE')
    expect(text.match(/(?<!\r)\n/g)).toBeNull()
    await project.must(['instance', 'unset', 'django3', 'TITLE'])
    await project.write('mux.yaml', YAML)
  })

  const BAD_NAMES = [
    '',
    ' ',
    '..',
    '.',
    'a/b',
    'a b',
    '-rf',
    'x'.repeat(256),
    'a\nb',
    '\u202ea',
    'aé',
    '$(id)',
  ]
  it.each(BAD_NAMES)('takes %j for the name of nobody and nothing', async (name) => {
    for (const args of [
      ['user', 'add', '--generate', '--', name],
      ['user', 'move', '--instance', 'django1', '--', name],
      ['user', 'remove', '--yes', '--', name],
      ['user', 'add', 'eve', '--generate', '--create', `--instance=${name}`],
      ...['add', 'set', 'unset', 'rollback', 'show', 'start', 'stop', 'restart', 'logs', 'remove'].map(
        (verb) => ['instance', verb, '--', name, 'A=b'].slice(0, /^(un)?set$/.test(verb) ? 5 : 4),
      ),
      ['instance', 'restart', '--', 'django1', name],
      ['status', '--', name],
      ['route', 'set', 'notes.example', `--instance=${name}`],
      ...['show', 'password', 'enable', 'disable', 'sign-out'].map((verb) => ['user', verb, '--', name]),
    ]) {
      const outcome = await lines.run(args)
      expect({ args, code: outcome.code }).toEqual({ args, code: 2 })
      expectError(outcome, 2, outcome.stderr.includes('[usage]') ? 'usage' : 'name_invalid')
      expect(outcome.stderr.trimEnd().split('\n').length).toBeLessThan(4)
    }
    expect(await stateOf(project)).toEqual(before)
  })

  it.each([['BRIAN'], ['Brian']])('takes %s for brian, who is there already', async (name) => {
    const outcome = await lines.run(['user', 'add', name, '--instance', 'django3', '--generate'])
    expectError(outcome, 4, 'user_exists')
    expect(await stateOf(project)).toEqual(before)
  })

  it.each([
    [['user', 'add', 'eve', '--instance', 'ghost', '--generate']],
    [['user', 'move', 'graham', '--instance', 'ghost']],
    [['route', 'set', 'notes.example', '--instance', 'ghost']],
    [['instance', 'show', 'ghost']],
    [['instance', 'set', 'ghost', 'A=b']],
    [['instance', 'unset', 'ghost', 'A']],
    [['instance', 'start', 'ghost']],
    [['instance', 'stop', 'ghost']],
    [['instance', 'restart', 'ghost']],
    [['instance', 'restart', 'django1', 'ghost']],
    [['instance', 'rollback', 'ghost']],
    [['instance', 'logs', 'ghost']],
    [['instance', 'remove', 'ghost', '--yes']],
    [['status', 'ghost']],
  ])('%j: no such instance, and those that there are', async (args) => {
    const outcome = await lines.run(args)
    expectError(outcome, 3, 'instance_not_found')
    expect(outcome.stderr).toMatch(/django1, django2, django3/)
    expect(await stateOf(project)).toEqual(before)
  })

  it.each([
    [['user', 'show', 'eve']],
    [['user', 'move', 'eve', '--instance', 'django1']],
    [['user', 'password', 'eve', '--generate']],
    [['user', 'enable', 'eve']],
    [['user', 'disable', 'eve']],
    [['user', 'sign-out', 'eve']],
    [['user', 'remove', 'eve', '--yes']],
  ])('%j: no such user', async (args) => {
    expectError(await lines.run(args), 3, 'user_not_found')
    expect(await stateOf(project)).toEqual(before)
  })

  it('has no route to remove that is not there, and none for what is no host name', async () => {
    expectError(await lines.run(['route', 'remove', 'notes.example']), 3, 'route_not_found')
    for (const key of ['a b', 'http://notes.example', 'notes.example/x', '', '..']) {
      const outcome = await lines.run(['route', 'set', '--instance', 'django1', '--', key])
      expect({ key, code: outcome.code }).toEqual({ key, code: 2 })
    }
    expect(await stateOf(project)).toEqual(before)
  })

  it.each([
    ['no password', ''],
    ['an empty line', '\n'],
    ['a short one', 'seven77\n'],
    ['one that is no UTF-8', Buffer.from([0xff, 0xfe, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48])],
    ['one longer than any', 'x'.repeat(100_000)],
    ['one with a NUL', 'a password\0 and more'],
  ])('takes no password from standard input that is %s', async (_, input) => {
    const added = await project.run(['user', 'add', 'eve', '--instance', 'django3', '--password-stdin'], {
      input,
    })
    expectError(added, 2, 'password_invalid')
    const changed = await project.run(['user', 'password', 'brian', '--password-stdin'], { input })
    expectError(changed, 2, 'password_invalid')
    expect(await stateOf(project)).toEqual(before)
    expect((await ask(running.url, '/', { user: 'brian' })).status).toBe(200)
  })

  it('takes no password as an argument, and does not repeat one', async () => {
    const outcome = await lines.run(['user', 'add', 'eve', '--password', 'planted-secret'])
    expect(outcome.code).toBe(2)
    expect(outcome.stdout + outcome.stderr).not.toContain('planted-secret')
    expect(await stateOf(project)).toEqual(before)
  })

  it.each([[['user', 'remove', 'brian']], [['instance', 'remove', 'django3']]])(
    '%j needs --yes where nobody can be asked',
    async (args) => {
      expectError(await project.run(args), 2, 'confirmation_needed')
      expect(await stateOf(project)).toEqual(before)
    },
  )

  it('removes no instance that somebody is served by, and says who', async () => {
    const outcome = await lines.run(['instance', 'remove', 'django2', '--yes'])
    expectError(outcome, 4, 'instance_in_use')
    expect(outcome.stderr).toContain('brian')
    expect(await stateOf(project)).toEqual(before)
  })

  it.each([
    [['--nonsense'], 2],
    [['nonsense'], 2],
    [['user'], 0],
    [['user', 'nonsense'], 2],
    [['usr', 'list'], 2],
    [['user', 'list', '--nonsense'], 2],
    [['user', 'list', 'too', 'many'], 2],
    [['user', 'show'], 2],
    [['user', 'move', 'brian'], 2],
    [['user', 'add', 'eve', '--instance'], 2],
    [['user', 'add', 'eve'], 2],
    [['instance', 'set', 'django1'], 2],
    [['instance', 'set', 'django1', 'NOVALUE'], 2],
    [['instance', 'set', 'django1', '=x'], 2],
    [['instance', 'set', 'django1', 'A-B=x'], 2],
    [['instance', 'set', 'django1', 'MUX_DATA=x'], 2],
    [['instance', 'set', 'django1', 'A={nonsense}'], 2],
    [['instance', 'set', 'django1', '--keep'], 2],
    [['instance', 'logs', 'django1', '--lines', 'many'], 2],
    [['instance', 'logs', 'django1', '--since', 'yesterday'], 2],
    [['instance', 'restart'], 2],
    [['instance', 'restart', 'django1', '--all'], 2],
    [['instance', 'restart', '--all', '--parallel', '0'], 2],
    [['instance', 'restart', '--all', '--parallel', 'many'], 2],
    [['instance', 'rollback'], 2],
    [['instance', 'rollback', 'django1', 'django2'], 2],
    [['instance', 'rollback', 'django1', '--to', '0'], 2],
    [['instance', 'rollback', 'django1', '--to', '1', '--list'], 2],
    [['up', '--listen', 'nonsense'], 2],
    [['--help'], 0],
    [['user', 'add', '--help'], 0],
    [['--version'], 0],
  ])('%j ends with %i, in a few words', async (args, exit) => {
    const outcome = await lines.run(args)
    expect(outcome.code).toBe(exit)
    expectNoStack(outcome)
    if (exit === 2) expect(outcome.stderr.trimEnd().split('\n').length).toBeLessThan(6)
    expect(await stateOf(project)).toEqual(before)
  })

  it.each<[string[], number, string]>([
    [['user', 'show', 'eve'], 3, 'user_not_found'],
    [['user', 'add', 'a b', '--generate'], 2, 'name_invalid'],
    [['user', 'add', 'brian', '--instance', 'django1', '--generate'], 4, 'user_exists'],
    [['user', 'add', 'eve', '--instance', 'ghost', '--generate'], 3, 'instance_not_found'],
    [['user', 'remove', 'brian'], 2, 'confirmation_needed'],
    [['instance', 'restart', 'ghost'], 3, 'instance_not_found'],
    [['instance', 'restart', 'django1', 'ghost'], 3, 'instance_not_found'],
    [['instance', 'rollback', 'django3'], 4, 'nothing_to_restore'],
    [['instance', 'add', 'django1', '--set', 'A=b'], 4, 'instance_exists'],
    [['instance', 'remove', 'django1', '--yes'], 4, 'instance_in_use'],
    [['route', 'remove', 'notes.example'], 3, 'route_not_found'],
    [['user', 'list', '--nonsense'], 2, 'usage'],
    [['nonsense'], 2, 'command_not_found'],
    [['up'], 4, 'already_running'],
    [['user', 'list', '--project', '/nowhere'], 3, 'project_not_found'],
    [['init'], 4, 'project_exists'],
  ])('%j --json fails with one document', async (args, exit, code) => {
    expectJsonError(await lines.run([...args, '--json']), exit, code)
    expect(await stateOf(project)).toEqual(before)
  })

  it('is not started a second time: 4, with the process and the URL of the first', async () => {
    for (const args of [['up'], ['up', '--detach'], ['up', '--listen', '127.0.0.1:0']]) {
      const outcome = await project.run(args)
      expectError(outcome, 4, 'already_running')
      expect(outcome.stderr).toContain(String(running.child.pid))
      expect(outcome.stderr).toContain(running.url)
    }
  })

  it('outlives readers that leave before a command has written', async () => {
    for (const args of [
      ['user', 'list'],
      ['status'],
      ['status', '--json'],
      ['--help'],
      ['user', 'show', 'eve', '--json'],
    ]) {
      const [command, argv] = muxCommand(args)
      const child = spawn(command, argv, { cwd: project.directory, stdio: ['ignore', 'pipe', 'pipe'] })
      child.stdout.destroy()
      let stderr = ''
      child.stderr.on('data', (text) => (stderr += text))
      const [code, signal] = await once(child, 'close')
      expect({ args, ended: code ?? signal }).toEqual({
        args,
        ended: args.includes('eve') ? 3 : expect.toSatisfy((end) => [0, 141, 'SIGPIPE'].includes(end)),
      })
      expect(stderr).not.toMatch(/EPIPE|\n\s+at /)
    }
  })

  it('survives 200 random command lines, each of which ends at once and without a stack', async () => {
    const codes = new Map<string, number>()
    for (const args of randomLines(200, 20_260_822)) {
      const outcome = await lines.run(args)
      const shown = JSON.stringify(args.map((arg) => arg.slice(0, 60)))
      expect([0, 1, 2, 3, 4, 5, 6], `${shown}: ${outcome.stderr}`).toContain(outcome.code)
      expect(outcome.stderr, shown).not.toContain('[internal]')
      expectNoStack(outcome)
      codes.set(String(outcome.code), (codes.get(String(outcome.code)) ?? 0) + 1)
    }
    process.stdout.write(
      `200 random command lines, by exit code: ${JSON.stringify(Object.fromEntries(codes))}\n`,
    )
    const after = await stateOf(project)
    expect(after.records['user:graham']).toBe(before.records['user:graham'])
    expect(after.records['instance:django1']).toBe(before.records['instance:django1'])
    for (const key of Object.keys(after.records)) {
      expect(key).toMatch(
        /^(user:[a-z0-9][a-z0-9._@+-]*|instance:[a-z][a-z0-9-]*|route:(\*|[a-z0-9.-]+|\[[0-9a-f:.]+\])|token:\w+)$/,
      )
    }
    expect(
      (await project.must(['instance', 'list', '--json'])).json().instances.length,
    ).toBeGreaterThanOrEqual(3)
  })
})

describe('Ctrl-C', () => {
  let project: Project
  let running: Running
  beforeAll(async () => {
    project = await Project.create(echoYaml('{ django1: {}, slow: { settings: { BOOT_DELAY: 2000 } } }'))
    running = await Running.up(project)
    await project.addUser('graham', 'slow')
  })
  afterAll(async () => {
    await leave(project, running)
  })

  it('ends a log that is followed', async () => {
    await writeFile(project.path('.mux/logs/django1.log'), 'first line\n', { flag: 'a', mode: 0o600 })
    const outcome = await interrupted(project, ['instance', 'logs', 'django1', '--follow'], /first line/)
    expect([0, 130]).toContain(outcome.code)
    expectNoStack(outcome)
  })

  it('leaves a restart that is under way to the supervisor, and the next command works', async () => {
    const restart = ['instance', 'restart', 'slow']
    await project.must(restart)
    const boots = async () =>
      (await processesOf(project)).filter(({ instance }) => instance === 'slow').length === 2 || undefined
    const outcome = await interrupted(project, restart, () => until('two generations', boots))
    expect(outcome.code === 130 || outcome.signal === 'SIGINT').toBe(true)
    expectNoStack(outcome)
    expect((await ask(running.url, '/', { user: 'graham' })).status).toBe(200)
    expect((await project.must([...restart, '--json'])).json().instance).toBe('slow')
  })

  it('at any moment of adding a person leaves what the same command, given again, completes', async () => {
    const add = (n: number) => ['user', 'add', `user${n}`, '--instance', `new${n}`, '--create', '--generate']
    const began = performance.now()
    await project.must(add(0))
    const whole = performance.now() - began
    const random = randomNumbers(7)
    const ends: string[] = []
    for (let n = 1; n <= 10; n++) {
      const outcome = await interrupted(project, add(n), Math.floor(random() * whole))
      expectNoStack(outcome)
      ends.push(String(outcome.code ?? outcome.signal))
      expect(['0', '130', 'SIGINT']).toContain(ends.at(-1))
      const again = await project.run([...add(n), '--json'])
      expect({ code: again.code, instance: again.json().instance }).toEqual({ code: 0, instance: `new${n}` })
    }
    process.stdout.write(`Ctrl-C at 10 moments of user add: ${ends.join(' ')}\n`)
    const users: { name: string; instance: string }[] = (
      await project.must(['user', 'list', '--json'])
    ).json().users
    for (let n = 0; n <= 10; n++) {
      expect(users.find(({ name }) => name === `user${n}`)?.instance).toBe(`new${n}`)
    }
  })

  it('ends mux up with 0 and everything that it had started', async () => {
    expect((await processesOf(project)).length).toBeGreaterThan(0)
    expect(await running.stop('SIGINT')).toBe(0)
    expect(await processesOf(project)).toEqual([])
    expectNoStack({ stdout: running.output(), stderr: '', code: 0, signal: null, json: () => null })
  })
})

describe('a project that is not running', () => {
  let project: Project
  beforeEach(async () => {
    project = await Project.create(YAML)
  })
  afterEach(async () => {
    // A start that should have failed and has not.
    if (await exists(project.path('.mux/run/control.sock'))) await project.run(['down'])
    await project.remove()
  })

  it.each([
    [['status']],
    [['down']],
    [['instance', 'restart', 'django1']],
    [['instance', 'start', 'django1']],
    [['instance', 'restart', '--all']],
  ])('%j says within 2 s that mux is not running, and how to start it', async (args) => {
    // A machine may be held up at any one of them; what a command waits for, it waits for at each.
    let over = Infinity
    for (let n = 0; n < TRIES && over >= 0; n++) {
      const began = performance.now()
      await project.run(['--version'])
      const started = performance.now()
      const outcome = await project.run(args)
      const [usual, took] = [started - began, performance.now() - started]
      expectError(outcome, 5, 'not_running')
      expect(outcome.stderr).toContain('mux up')
      // What Node needs to start counts on the machine, not on what the command waits for.
      over = Math.min(over, took - usual - Math.max(WITHIN, 2 * usual))
    }
    expect(over).toBeLessThan(0)
  })

  it('says so as well when a supervisor that was killed has left its socket', async () => {
    const running = await Running.up(project)
    await running.stop('SIGKILL')
    expectError(await project.run(['status']), 5, 'not_running')
  })

  it.each([
    ['syntax', 'app: [\n', 'line 2'],
    ['a wrong type', `${YAML}\nroutes: {}\n`, 'routes'],
    ['a value', YAML.replace('127.0.0.1:0', '127.0.0.1:65536'), 'edge.listen'],
  ])('is not started with an unusable mux.yaml (%s), and nothing is made', async (_, yaml, names) => {
    await project.write('mux.yaml', yaml)
    for (const args of [['up'], ['up', '--detach']]) {
      const outcome = await project.run(args)
      expectError(outcome, 1, 'config_invalid')
      expect(outcome.stderr).toContain(names)
    }
    expect(await exists(project.path('.mux/registry.sqlite'))).toBe(false)
    expect(await processesOf(project)).toEqual([])
  })

  it('is not started on a taken port: 4, with the address and another way, and nothing left behind', async () => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await once(squatter, 'listening')
    const { port } = squatter.address() as { port: number }
    await project.write(
      'mux.yaml',
      YAML.replace('127.0.0.1:0', `127.0.0.1:${port}`).replace('django1: {}', 'django1: { boot: eager }'),
    )
    for (const args of [['up'], ['up', '--detach']]) {
      const outcome = await project.run(args)
      expectError(outcome, 4, 'address_in_use')
      expect(outcome.stderr).toContain(`127.0.0.1:${port}`)
      expect(outcome.stderr).toMatch(/--listen|edge\.listen/)
    }
    expect(await processesOf(project)).toEqual([])
    expectError(await project.run(['status']), 5, 'not_running')
    squatter.close()
    await project.must(['up', '--detach'])
    await project.must(['down'])
  })

  it.each<[string, number, string, (project: Project) => Promise<unknown>]>([
    [
      'a file where the state directory belongs',
      6,
      'state_refused',
      (at) => at.write('.mux', 'no directory'),
    ],
    [
      'a registry that is no database',
      1,
      'registry_unavailable',
      (at) => at.write('.mux/registry.sqlite', 'no database'.repeat(1000)),
    ],
    [
      'a registry that a newer mux wrote',
      1,
      'registry_newer',
      async (at) => {
        await at.must(['user', 'add', 'graham', '--generate'])
        const database = new DatabaseSync(at.path('.mux/registry.sqlite'))
        database.exec('UPDATE schema SET version = 99')
        database.close()
      },
    ],
    [
      'a key that others can read',
      6,
      'key_exposed',
      async (at) => {
        await at.must(['up', '--detach'])
        await at.must(['down'])
        await chmod(at.path('.mux/keys/session.key'), 0o644)
      },
    ],
    [
      'a key that is too short',
      1,
      'key_unusable',
      async (at) => {
        await mkdir(at.path('.mux/keys'), { recursive: true, mode: 0o700 })
        await writeFile(at.path('.mux/keys/session.key'), 'c2hvcnQ=\n', { mode: 0o600 })
      },
    ],
  ])('is not started with %s', async (_, exit, code, make) => {
    await make(project)
    const outcome = await project.run(['up'])
    expectError(outcome, exit, code)
    expect(outcome.stderr).toContain(project.directory)
    expect(await processesOf(project)).toEqual([])
  })

  it('without a mux.yaml is none: 3, and how to begin', async () => {
    await rm(project.path('mux.yaml'))
    const commands = [['up'], ['status'], ['user', 'list'], ['instance', 'list'], ['down']]
    for (const outcome of await Promise.all(commands.map((args) => project.run(args)))) {
      expectError(outcome, 3, 'project_not_found')
      expect(outcome.stderr).toContain('mux init')
    }
    expect(await readdir(project.directory)).toEqual([])
  })

  describe('and that others own', async () => {
    // The one who runs as root may read everything, so the commands run as somebody else.
    const NOBODY = 65_534
    const uid = process.getuid!() === 0 ? NOBODY : undefined
    const probe = await Project.create(YAML)
    if (uid !== undefined) await chmod(probe.directory, 0o755)
    const able = (await probe.run(['--version'], { uid }).catch(() => ({ code: 1 }))).code === 0
    await probe.remove()
    if (!able)
      process.stderr.write(`skipped: what is unreadable, since user ${NOBODY} cannot run mux from here\n`)
    if (uid === undefined)
      process.stderr.write('skipped: a state directory of somebody else, which only root can make\n')

    const own = (...paths: string[]) =>
      uid === undefined ? Promise.resolve([]) : Promise.all(paths.map((path) => chown(path, uid, uid)))

    it.skipIf(!able)('has an unreadable mux.yaml: refused with the file and the reason', async () => {
      await own(project.directory, project.path('mux.yaml'))
      await chmod(project.path('mux.yaml'), 0)
      const outcome = await project.run(['up'], { uid })
      expectError(outcome, 1, 'config_invalid')
      expect(outcome.stderr).toContain(project.path('mux.yaml'))
      expect(outcome.stderr).toContain('EACCES')
    })

    it.skipIf(!able || uid === undefined)(
      'has a state directory of somebody else: refused with its path',
      async () => {
        await mkdir(project.path('.mux'), { mode: 0o700 })
        await own(project.directory, project.path('mux.yaml'))
        for (const args of [['up'], ['user', 'list'], ['user', 'add', 'eve', '--generate']]) {
          const outcome = await project.run(args, { uid })
          expectError(outcome, 6, 'state_refused')
          expect(outcome.stderr).toContain(project.path('.mux'))
        }
        expect(await readdir(project.path('.mux'))).toEqual([])
      },
    )

    it.skipIf(!able)(
      'is in a directory that cannot be written to: refused, and nothing is half made',
      async () => {
        await chmod(project.directory, 0o555)
        await own(project.directory, project.path('mux.yaml'))
        for (const args of [['up'], ['user', 'add', 'eve', '--generate'], ['instance', 'add', 'django9']]) {
          const outcome = await project.run(args, { uid })
          expect([1, 6]).toContain(outcome.code)
          expectNoStack(outcome)
          expect(outcome.stderr).toContain(project.directory)
        }
        expect(await readdir(project.directory)).toEqual(['mux.yaml'])
        await chmod(project.directory, 0o755)
      },
    )
  })
})

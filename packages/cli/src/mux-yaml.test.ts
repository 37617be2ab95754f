import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { CliError } from './errors.ts'
import { parseConfig, readConfig } from './mux-yaml.ts'
import { findProject, type Project, projectAt } from './project.ts'

let project: Project
beforeAll(() => {
  project = projectAt(mkdtempSync(join(tmpdir(), 'mux-yaml-')))
  mkdirSync(join(project.directory, 'mysite'))
})
afterAll(() => rmSync(project.directory, { recursive: true }))

/** The problems of a text, one a line. */
function problemsOf(text: string): string[] {
  try {
    parseConfig(text, project)
    return []
  } catch (error) {
    if (error instanceof CliError && error.code === 'config_invalid') return [...error.details]
    throw error
  }
}

const DESIGN = `
app:
  command: gunicorn mysite.wsgi --bind unix:{socket}
  directory: ./mysite
  settings:
    DJANGO_SETTINGS_MODULE: mysite.settings
    DATABASE_NAME: "{data}/db.sqlite3"
  health: /ping
  probe: 5s
  boot: lazy
  restart: overlap
  idle: 30m
  idle_ignore: [/ping, /health/*]
  limits: { start: 30s, drain: 30s, stop: 10s, memory: 512MiB, queue: 1000, hold: 30s }
  stop_signal: SIGTERM
pool:
  max: 8
  parallel_boots: 3
  name: django{n}
edge:
  listen: 127.0.0.1:8080
  identity_header: X-Remote-User
  trusted_proxies: [127.0.0.1, "fd00::/8"]
instances:
  django1: {}
  django2:
    settings: { DATABASE_NAME: brian.sqlite3 }
`

const DEFAULTS = { stopSignal: 'SIGTERM', user: null, group: null, sandbox: false, nice: 0, umask: null }
const DEFAULT_LIMITS = {
  start: 30_000,
  drain: 30_000,
  stop: 10_000,
  hold: 30_000,
  response: 900_000,
  memory: null,
  queue: 1000,
  files: null,
  processes: null,
}

describe('a mux.yaml', () => {
  it('gives every instance what app says, and its own over it', () => {
    const config = parseConfig(DESIGN, project)
    expect(config.pool).toEqual({ max: 8, parallelBoots: 3, name: 'django{n}' })
    expect(config.edge).toEqual({
      listen: { host: '127.0.0.1', port: 8080 },
      identityHeader: 'X-Remote-User',
      session: { absolute: 1_209_600_000, idle: 604_800_000 },
      cookies: 'isolate',
      name: null,
      logo: null,
      trustedProxies: [
        { address: '127.0.0.1', prefix: 32 },
        { address: 'fd00::', prefix: 8 },
      ],
      limits: { connections: 10_000, requests: 1_000, body: 60_000 },
      tls: null,
      behindProxy: false,
    })
    const shared = {
      command: ['gunicorn', 'mysite.wsgi', '--bind', 'unix:{socket}'],
      directory: join(project.directory, 'mysite'),
      health: '/ping',
      probe: 5000,
      boot: 'lazy',
      restart: 'overlap',
      idle: 1_800_000,
      idleIgnore: ['/ping', '/health/*'],
      limits: { ...DEFAULT_LIMITS, memory: 536_870_912 },
      ...DEFAULTS,
    }
    const settings = { DJANGO_SETTINGS_MODULE: 'mysite.settings', DATABASE_NAME: '{data}/db.sqlite3' }
    expect(config.instances).toEqual([
      { ...shared, name: 'django1', settings, entry: {} },
      {
        ...shared,
        name: 'django2',
        settings: { ...settings, DATABASE_NAME: 'brian.sqlite3' },
        entry: { settings: { DATABASE_NAME: 'brian.sqlite3' } },
      },
    ])
    expect([...config.ownSettings]).toEqual([
      ['django1', []],
      ['django2', ['DATABASE_NAME']],
    ])
  })

  it('needs no more than a command', () => {
    const config = parseConfig('app: { command: node server.js }\ninstances: { a: }', project)
    expect(config.instances).toEqual([
      {
        name: 'a',
        command: ['node', 'server.js'],
        directory: project.directory,
        settings: {},
        health: null,
        probe: 10_000,
        boot: 'lazy',
        restart: 'overlap',
        idle: null,
        idleIgnore: [],
        limits: DEFAULT_LIMITS,
        ...DEFAULTS,
        entry: {},
      },
    ])
  })

  it('has of each instance what it says of itself, settings as texts, and nothing of what says nothing', () => {
    const [a] = parseConfig(
      `app: { command: x }
instances:
  a:
    command: [sh, -c, "exec x"]
    idle: off
    limits: { queue: 10, hold: 1.50s }
    settings: { A: 0800, B: true, C: 1e3, D: "", E: { secret: a.E } }
  b: { settings: {} }
`,
      project,
    ).instances
    expect(a!.entry).toEqual({
      command: ['sh', '-c', 'exec x'],
      idle: 'off',
      limits: { queue: 10, hold: '1.50s' },
      settings: { A: '0800', B: 'true', C: '1e3', D: '', E: { secret: 'a.E' } },
    })
  })

  it('says as which host mux up serves, and where the registry is', () => {
    const { host, registry } = parseConfig(
      'app: { command: a }\nhost: { name: web1, origin: "https://Web1.example.com/" }\nregistry: kv',
      project,
    )
    expect(host).toEqual({
      name: 'web1',
      origin: 'https://web1.example.com',
      listen: { host: '127.0.0.1', port: 9090 },
      tls: null,
    })
    expect(registry).toBe('kv')
    const tls = parseConfig(
      'app: { command: a }\nhost: { name: b, origin: "vpc:B", listen: 10.0.0.5:443, tls: { cert: c.pem, key: k.pem } }',
      project,
    )
    expect(tls).toMatchObject({
      host: {
        origin: 'vpc:B',
        listen: { host: '10.0.0.5', port: 443 },
        tls: { cert: join(project.directory, 'c.pem'), key: join(project.directory, 'k.pem') },
      },
      registry: 'sqlite',
    })
    expect(parseConfig(DESIGN, project)).toMatchObject({ host: null, registry: 'sqlite' })
  })

  it('of an operator who works on hosts elsewhere has nothing to run', () => {
    expect(parseConfig('registry: kv', project)).toMatchObject({
      instances: [],
      registry: 'kv',
      runsNothing: true,
    })
    expect(parseConfig('app: { command: a }\nregistry: kv', project)).toMatchObject({ runsNothing: false })
  })

  it('says how the data of an instance leave and enter, which is nothing that its supervisor has to know', () => {
    const { hooks, instances } = parseConfig(
      `
app: { command: a, hooks: { export: "pg_dump -Fc {instance}", import: [pg_restore, "{data}"] } }
instances:
  one: {}
  two: { hooks: { import: "restore {n}", export: off } }`,
      project,
    )
    expect([...hooks]).toEqual([
      ['one', { export: ['pg_dump', '-Fc', '{instance}'], import: ['pg_restore', '{data}'] }],
      ['two', { export: null, import: ['restore', '{n}'] }],
    ])
    expect(instances[0]).not.toHaveProperty('hooks')
    const none = parseConfig('app: { command: a }\ninstances: { one: {} }', project).hooks
    expect([...none]).toEqual([['one', { export: null, import: null }]])
  })

  it('cannot be changed after it is read', () => {
    const config = parseConfig(DESIGN, project)
    expect(() => Object.assign(config.instances[0]!.limits, { queue: 1 })).toThrow(TypeError)
  })

  it('lets an instance have a command of its own, switch things off, and add to limits and settings', () => {
    const [one] = parseConfig(
      `
app: { command: a, health: /ping, probe: 1m, idle: 5m, limits: { stop: 1s, memory: 1GiB }, settings: { A: 1, B: 2 } }
instances:
  one: { command: [b, "c d", 7], health: off, probe: off, idle: off, limits: { memory: off }, settings: { B: 3 } }`,
      project,
    ).instances
    expect(one).toMatchObject({
      command: ['b', 'c d', '7'],
      health: null,
      probe: null,
      idle: null,
      limits: { stop: 1000, memory: null },
      settings: { A: '1', B: '3' },
    })
  })

  it('reads how an instance is confined', () => {
    const [one, two] = parseConfig(
      `
app: { command: a, nice: 5, umask: 027, limits: { files: 1024, processes: 200 } }
instances:
  one: {}
  two: { umask: off, limits: { files: off } }`,
      project,
    ).instances
    expect(one).toMatchObject({ nice: 5, umask: 0o027, limits: { files: 1024, processes: 200 } })
    expect(two).toMatchObject({ nice: 5, umask: null, limits: { files: null, processes: 200 } })
  })

  it('gives users where mux runs as root, and nowhere else', () => {
    const text =
      'app: { command: a, user: www-data, group: 33 }\ninstances:\n  one: {}\n  two: { user: off, group: off }'
    const uid = vi.spyOn(process, 'getuid')
    onTestFinished(() => uid.mockRestore())
    uid.mockReturnValue(0)
    const [one, two] = parseConfig(text, project).instances
    expect([one, two]).toMatchObject([
      { user: 'www-data', group: '33' },
      { user: null, group: null },
    ])
    expect(problemsOf('app: { command: a, user: root }\ninstances: { i: { group: 33 } }')).toEqual([
      'line 1: app.user is "root"; expected the name or number of a user other than root, or off',
    ])
    expect(problemsOf('app: { command: a, sandbox: true }\ninstances: { i: }')).toEqual([
      'line 2: instances.i cannot be started: sandbox: where mux runs as root it takes a user as well; nothing holds root.',
    ])
    expect(problemsOf('app: { command: a, group: 33 }\ninstances: { i: }')).toEqual([
      'line 2: instances.i cannot be started: group: it takes a user as well.',
    ])
    uid.mockReturnValue(1000)
    expect(
      parseConfig('app: { command: a, sandbox: true }\ninstances: { i: }', project).instances,
    ).toMatchObject([{ sandbox: true }])
    expect(problemsOf(text)).toEqual([
      'line 1: app.user takes a mux that runs as root, the only one who may start something as another user',
    ])
  })

  it('keeps numbers and truth values of settings as they are written', () => {
    const text =
      'app: { command: a, settings: { A: 0800, B: 1e3, C: true, D: no, E: 1.50, F: "", G: 0x1F, H: 99999999999999999999 } }\ninstances: { i: }'
    expect(parseConfig(text, project).instances[0]!.settings).toEqual({
      A: '0800',
      B: '1e3',
      C: 'true',
      D: 'no',
      E: '1.50',
      F: '',
      G: '0x1F',
      H: '99999999999999999999',
    })
  })

  it('names the file of a secret and does not read it', () => {
    const text = 'app: { command: a }\ninstances: { i: { settings: { KEY: { secret: i.KEY } } } }'
    expect(parseConfig(text, project).instances[0]!.settings).toEqual({
      KEY: { secretFile: join(project.state.secrets, 'i.KEY') },
    })
  })

  it.each([
    ['a byte order mark', `\ufeff${DESIGN}`],
    ['line ends of Windows', DESIGN.replaceAll('\n', '\r\n')],
    ['an alias', 'app: { command: a, settings: &s { A: b } }\ninstances: { i: { settings: *s } }'],
    ['a comment before and after', `# one\n---\n${DESIGN}\n...\n# two\n`],
  ])('may have %s', (_, text) => {
    expect(problemsOf(text)).toEqual([])
  })
})

describe('what is wrong in a mux.yaml', () => {
  const COMMAND = 'app: { command: a }\n'

  it('is reported all together, in the order of the file, with line, path, what was given and what is expected', () => {
    expect(
      problemsOf(`app:
  comand: gunicorn
  directory: ./nowhere
  boot: sometimes
  restart: true
  idle: 30 minutes
  health: ping
  limits: { start: 0s, response: 0s, memory: 512, queue: -1, gears: 5, files: 1 }
  stop_signal: TERM
  settings:
    1A: x
    A: [1]
    B:
    MUX_USER: me
    C: "{sokcet}"
pool:
  max: 0
  parallel_boots: none
  name: django
edge:
  listen: 8080
  identity_header: Mux-User
  trusted_proxies: [10.0.0.0/33, 0.0.0.0/0, nginx]
instances:
  Django1: {}
  two: 5
host: { name: local, listen: 9090, tls: {} }
registry: redis
server: {}`),
    ).toEqual([
      'line 2: "comand" is no key under app; did you mean command?',
      `line 3: app.directory is "./nowhere"; expected a directory that is there (looked for ${join(project.directory, 'nowhere')})`,
      'line 4: app.boot is "sometimes"; expected lazy or eager',
      'line 5: app.restart is "true"; expected overlap or replace',
      'line 6: app.idle is "30 minutes"; expected a duration such as 500ms, 30s, 30m or 1h, of at most 24d; or off',
      'line 7: app.health is "ping"; expected a path that begins with /, or off',
      'line 8: "gears" is no key under app.limits; expected one of start, drain, stop, memory, queue, hold, response, files, processes',
      'line 8: app.limits.start is "0s"; expected a duration such as 500ms, 30s, 30m or 1h, of at most 24d, more than none',
      'line 8: app.limits.response is "0s"; expected a duration such as 500ms, 30s, 30m or 1h, of at most 24d, more than none; or off',
      'line 8: app.limits.memory is "512"; expected a size such as 512MiB or 2GiB, or off',
      'line 8: app.limits.queue is "-1"; expected a whole number from 0 to 1000000',
      'line 8: app.limits.files is "1"; expected a whole number from 16 to 10000000, or off',
      'line 9: app.stop_signal is "TERM"; expected the name of a signal such as SIGTERM',
      'line 11: app.settings.1A is no name of a setting; expected a name of letters, digits and _, not beginning with a digit',
      'line 12: app.settings.A is a list; expected a text, a number, true or false, or { secret: NAME }; "" for nothing',
      'line 13: app.settings.B is empty; expected a text, a number, true or false, or { secret: NAME }; "" for nothing',
      'line 14: app.settings.MUX_USER cannot be set: names that begin with MUX_ are set by mux',
      'line 15: app.settings.C has a problem: {sokcet} is not a placeholder: known are {instance}, {port}, {socket}, {data}, {n}; write {{sokcet}} for the literal text',
      'line 17: pool.max is "0"; expected a whole number from 1 to 10000',
      'line 18: pool.parallel_boots is "none"; expected a whole number from 1 to 1000',
      'line 19: pool.name is "django"; expected a name with {n} at its end, such as django{n}',
      'line 21: edge.listen is "8080"; expected an address and a port such as 127.0.0.1:8080 or [::1]:8080',
      'line 22: edge.identity_header is "Mux-User"; expected the name of a header such as X-Remote-User, that HTTP and mux do not use otherwise',
      'line 23: edge.trusted_proxies[0] is "10.0.0.0/33"; expected an address or a network such as 127.0.0.1 or 10.0.0.0/8',
      'line 23: edge.trusted_proxies[1] is "0.0.0.0/0"; expected an address or a network such as 127.0.0.1 or 10.0.0.0/8',
      'line 23: edge.trusted_proxies[2] is "nginx"; expected an address or a network such as 127.0.0.1 or 10.0.0.0/8',
      'line 25: instances.Django1 is no name of an instance; expected 1 to 63 of a-z 0-9 -, starting with a letter and not ending with a dash',
      'line 26: instances.two is "5"; expected a map',
      'line 26: instances.two has no command; expected one here or under app',
      'line 27: host.name is "local"; expected 1 to 63 of a-z 0-9 -, starting with a letter and not ending with a dash, and not local',
      'line 27: host has no origin; expected a URL of a machine, without a path, such as https://web1.example.com, or vpc:BINDING for a binding of the Worker',
      'line 27: host.listen is "9090"; expected an address and a port such as 127.0.0.1:8080 or [::1]:8080',
      'line 27: host.tls has no cert; expected the path of a file',
      'line 27: host.tls has no key; expected the path of a file',
      'line 28: registry is "redis"; expected sqlite or kv',
      'line 29: "server" is no key at the top; expected one of app, pool, edge, host, registry, instances',
    ])
  })

  it.each([
    ['nothing', '', 'line 1: the file is empty; expected the keys app, pool, edge and instances'],
    ['comments only', '# a\n# b\n', /^line 1: the file is empty/],
    ['no more than a start', '---\n', /^line 1: the file is empty/],
    ['an app alone', 'app:\npool:\n', 'line 1: app has no command; expected one, which every instance runs'],
    [
      'a host without a name',
      `${COMMAND}host: web1`,
      'line 2: host is "web1"; expected a map with name and origin',
    ],
    [
      'a hook that needs a shell',
      'app: { command: a, hooks: { export: "a > b" } }',
      /^line 1: app.hooks.export has > that needs a shell/,
    ],
    ['a hook of another name', 'app: { command: a, hooks: { dump: a } }', /"dump" is no key under app.hooks/],
    ['a list', '- a', 'line 1: the file is a list; expected a map'],
    ['a text', 'hello', 'line 1: the file is "hello"; expected a map'],
    [
      'two documents',
      `${COMMAND}---\n${COMMAND}`,
      'line 2: a second document begins here; expected one only',
    ],
    [
      'a key twice',
      `${COMMAND}app: { command: b }`,
      'line 2: this key was there before; expected each key once',
    ],
    ['a tab', 'app:\n\tcommand: a', 'line 2: a tab; expected spaces, which is how YAML is indented'],
    ['an open quote', 'app:\n  command: "a\n', /^line \d: this is no YAML: Missing closing "quote$/],
    ['an open brace', 'app: { command: a', /^line 1: this is no YAML/],
    [
      'arrays without end',
      `app:\n  command: ${'['.repeat(100_000)}`,
      /^line 2: brackets are nested more than 200 deep$/,
    ],
    [
      'maps within maps',
      `app: ${'{a: '.repeat(100_000)}1${'}'.repeat(100_000)}`,
      /^line 1: brackets are nested/,
    ],
    ['__proto__', `${COMMAND}__proto__: { polluted: yes }`, /^line 2: "__proto__" is no key at the top/],
    ['a merge key', 'x: &x { command: a }\napp:\n  <<: *x', /line 3: "<<" is no key under app/],
    ['an unknown alias', 'app: *nothing', /^line 1: \*nothing refers to nothing before it$/],
    ['a key that is a map', 'app: { command: a }\n? { a: b }\n: 1', /^line 2: \? is a key that is no text$/],
    ['an alias as a key of itself', 'app: &a { command: a, settings: *a }', /settings is|command/],
    ['an empty command', 'app: { command: "" }', /^line 1: app.command is ""; expected the program/],
    ['an empty list', 'app: { command: [] }', /^line 1: app.command is a list; expected the program/],
    ['an empty program', 'app: { command: ["", a] }', /^line 1: app.command is a list; expected the program/],
    ['a nested command', 'app: { command: [a, [b]] }', /command\[1\] is a list; expected a text$/],
    [
      'a probe without pause',
      'app: { command: a, probe: 1ms }',
      /probe is "1ms"; expected .* at least 100ms/,
    ],
    [
      'a path alone to ignore',
      'app: { command: a, idle_ignore: /ping }',
      /"\/ping"; expected a list of paths/,
    ],
    [
      'a query to ignore',
      'app: { command: a, idle_ignore: [/ping?x] }',
      /^line 1: app.idle_ignore\[0\] is "\/ping\?x"; expected a path .* without a query/,
    ],
    ['a star in the middle', 'app: { command: a, idle_ignore: ["/a*b"] }', /idle_ignore\[0\] is "\/a\*b"/],
    [
      'a shell command',
      'app: { command: "a | b" }',
      /^line 1: app.command has \| that needs a shell; it is run without a shell/,
    ],
    [
      'a secret without name',
      `${COMMAND}instances: { i: { settings: { A: { secret: } } } }`,
      /secret is empty; expected the name of a secret/,
    ],
    [
      'a secret elsewhere',
      `${COMMAND}instances: { i: { settings: { A: { secret: ../x } } } }`,
      /secret is "..\/x"; expected the name/,
    ],
    [
      'a setting map',
      `${COMMAND}instances: { i: { settings: { A: { b: c } } } }`,
      /"b" is no key under instances.i.settings.A/,
    ],
    ['NaN', `${COMMAND}pool: { max: .nan }`, /pool.max is ".nan"/],
    ['a fraction', `${COMMAND}pool: { max: 1.5 }`, /pool.max is "1.5"/],
    [
      'both ways to listen',
      'app: { command: "a {port} {socket}" }\ninstances: { i: }',
      /line 2: instances.i cannot be started: \{socket\} and \{port\}/,
    ],
    [
      '{n} without a number',
      'app: { command: "a {n}" }\ninstances: { i: }',
      /line 2: instances.i cannot be started: .*\{n\}/,
    ],
    [
      'PORT',
      'app: { command: a, settings: { PORT: 80 } }\ninstances: { i: }',
      /line 2: instances.i cannot be started: settings.PORT/,
    ],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(text)).toContainEqual(expect.stringMatching(expected))
  })

  it('does not unfold aliases of aliases', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefghij'
        .split('')
        .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`),
    ]
    const began = performance.now()
    expect(problemsOf(`${bomb.join('\n')}\napp: *j`).length).toBeGreaterThan(0)
    expect(performance.now() - began).toBeLessThan(20_000)
  })
})

describe('a mux.yaml that is no text file', () => {
  it.each([
    [
      'in another encoding',
      (file: string) => writeFileSync(file, Buffer.from([0xff, 0xfe, 0x61, 0x00])),
      'not UTF-8',
    ],
    ['a directory', (file: string) => mkdirSync(file), 'not a file'],
    ['a pipe', (file: string) => execFileSync('mkfifo', [file]), 'not a file'],
    ['a link to itself', (file: string) => symlinkSync(file, file), 'ELOOP'],
    ['larger than any', (file: string) => writeFileSync(file, '#'.repeat(2 ** 20 + 1)), 'larger than 1 MiB'],
  ])('but %s is found, and not passed by for another one above', async (_, make, expected) => {
    const directory = join(project.directory, 'below')
    mkdirSync(directory)
    writeFileSync(project.configFile, DESIGN)
    try {
      make(join(directory, 'mux.yaml'))
      await expect(readConfig(findProject(undefined, directory))).rejects.toMatchObject({
        code: 'config_invalid',
        message: expect.stringContaining(expected),
      })
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

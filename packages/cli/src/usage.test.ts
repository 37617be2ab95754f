import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openSqliteRegistry } from '@mux/edge/registry'
import { describe, expect, it } from 'vitest'
import { PROGRAM, runMux, temporaryDirectory, temporaryProject } from './fixtures/run-mux.ts'

const PROJECT = 'app: { command: node server.js }\ninstances: { django1: {}, django2: {} }\n'

/** What the registry of a project has in it, read beside the command line. */
async function recordsOf(cwd: string): Promise<unknown[]> {
  const file = join(cwd, '.mux/registry.sqlite')
  if (!existsSync(file)) return []
  const registry = openSqliteRegistry(file)
  const kinds = await Promise.all([registry.list('user'), registry.list('instance'), registry.list('route')])
  registry.close()
  return kinds.flat()
}

describe('a command line that is wrong ends with 2, one line of reason, and nothing written', () => {
  const NAMES = ['', '../a', 'a b', 'a\nb\u200f', 'a'.repeat(256)]
  it.each([
    [['frobnicate'], 'command_not_found'],
    [['user'].concat('frobnicate'), 'command_not_found'],
    [['usr', 'add', 'x'], 'command_not_found'],
    [['user', 'add'], 'usage'],
    [['user', 'add', 'a', 'b'], 'usage'],
    [['user', 'add', 'brian', '--frobnicate'], 'usage'],
    [['user', 'add', 'brian', '-rf'], 'usage'],
    [['user', 'add', 'brian', '--instance'], 'usage'],
    [['user', 'add', 'brian', '--create', '--generate'], 'usage'],
    [['user', 'add', 'brian', '--generate', '--password-stdin'], 'usage'],
    [['user', 'add', 'brian', '--password', 'secret'], 'usage'],
    [['user', 'add', 'brian'], 'usage'],
    [['user', 'move', 'brian'], 'usage'],
    [['instance', 'set', 'django1'], 'usage'],
    [['instance', 'set', 'django1', 'A'], 'setting_invalid'],
    [['instance', 'set', 'django1', '1A=b'], 'setting_invalid'],
    [['instance', 'set', 'django1', 'A=b', 'A=c'], 'setting_invalid'],
    [['instance', 'set', 'django1', 'MUX_DATA=x'], 'setting_invalid'],
    [['instance', 'set', 'django1', 'A={nonsense}'], 'setting_invalid'],
    [['instance', 'unset', 'django1'], 'usage'],
    [['instance', 'add', 'Django'], 'name_invalid'],
    [['instance', 'remove', 'django1'], 'confirmation_needed'],
    [['route', 'set', 'a b', '--instance', 'django1'], 'name_invalid'],
    [['route', 'set', 'a.example:8443', '--public', '--instance', 'django1'], 'name_invalid'],
    [['route', 'set', '[::1]:80', '--instance', 'django1'], 'name_invalid'],
    [['registry', 'push', '--token', 'secret'], 'usage'],
    [['registry', 'diff', '--account', 'mine', '--namespace', 'map'], 'usage'],
    [['token', 'create', 'brian', '--expires', '3 weeks'], 'usage'],
    [['token', 'create', 'brian', '--expires', '0d'], 'usage'],
    [['token', 'create', 'brian', '--label', 'a\nb'], 'usage'],
    ...NAMES.map((name): [string[], string] => [['user', 'add', '--generate', '--', name], 'name_invalid']),
  ])('%j: %s', async (args, code) => {
    const cwd = temporaryProject(PROJECT)
    const ended = await runMux(args, { cwd })
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toContain(`[${code}]`)
    expect(ended.stderr.split('\n')[0]).toMatch(/^error: .*\S \[\w+\]$/)
    expect(ended.stderr).not.toMatch(/^\s+at /m)
    expect(readFileSync(join(cwd, 'mux.yaml'), 'utf8')).toBe(PROJECT)
    expect(await recordsOf(cwd)).toEqual([])
  })

  it('that lacks a name does not take it from standard input, where the password is', async () => {
    const cwd = temporaryProject(PROJECT)
    const ended = await runMux(['user', 'add', '--password-stdin'], { cwd, input: 'planted secret\n' })
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('NAME is missing') })
    expect(ended.stderr).not.toContain('planted')
  })

  it('guesses what was meant', async () => {
    const { stderr } = await runMux(['user', 'ad', 'brian'], { cwd: temporaryDirectory() })
    expect(stderr).toContain('Did you mean: mux user add')
  })
})

describe('--json', () => {
  it.each([
    [['user', 'list'], 0],
    [['user', 'show', 'nobody'], 3],
    [['user', 'add', 'brian', '--generate'], 0],
    [['user', 'add', 'brian', '--instance', 'nowhere', '--generate'], 3],
    [['user', 'add'], 2],
    [['frobnicate'], 2],
    [['instance', 'list'], 0],
    [['instance', 'show', 'nowhere'], 3],
    [['instance', 'set', 'django1', 'A=b'], 0],
    [['instance', 'unset', 'django1', 'A'], 3],
    [['instance', 'add', 'django3'], 0],
    [['instance', 'remove', 'django3', '--yes'], 3],
    [['route', 'set', '*', '--instance', 'django1'], 0],
    [['route', 'remove', 'a.b'], 3],
    [['registry', 'diff', '--account', '', '--namespace', ''], 2],
    [['token', 'list'], 0],
    [['token', 'create', 'nobody'], 3],
    [['token', 'revoke', '0123456789abcdef'], 3],
    [['user', 'list', '--project', '/nonexistent'], 3],
  ])('of %j is one document on standard output, and nothing else anywhere', async (args, code) => {
    const ended = await runMux([...args, '--json'], { cwd: temporaryProject(PROJECT) })
    expect(ended).toMatchObject({ code, stderr: '' })
    const document = ended.json() as object
    expect('error' in document).toBe(code !== 0)
    const error = { code: expect.stringMatching(/^[a-z_]+$/), message: expect.stringMatching(/[.?]$/) }
    expect(document).toEqual(code === 0 ? expect.anything() : { error: expect.objectContaining(error) })
  })

  it('after -- is an argument like any other', async () => {
    const ended = await runMux(['user', 'show', '--', '--json'], { cwd: temporaryProject(PROJECT) })
    expect(ended).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('the project', () => {
  it('is found upward from the working directory', async () => {
    const cwd = temporaryProject(PROJECT)
    mkdirSync(join(cwd, 'a/b'), { recursive: true })
    expect((await runMux(['instance', 'list', '--json'], { cwd: join(cwd, 'a/b') })).json()).toMatchObject({
      instances: [{ name: 'django1' }, { name: 'django2' }],
    })
    expect(existsSync(join(cwd, 'a/b/.mux'))).toBe(false)
  })

  it('is named by --project, or by MUX_PROJECT', async () => {
    const project = temporaryProject(PROJECT)
    const cwd = temporaryDirectory()
    expect((await runMux(['instance', 'list', '--project', project], { cwd })).stdout).toContain('django2')
    expect((await runMux(['instance', 'list'], { cwd, env: { MUX_PROJECT: project } })).stdout).toContain(
      'django2',
    )
  })

  it('that is not there ends with 3 and says how to begin', async () => {
    const ended = await runMux(['user', 'list'], { cwd: temporaryDirectory() })
    expect(ended.code).toBe(3)
    expect(ended.stderr).toContain('mux init')
  })

  it('is not looked for from a directory that has been removed, and need not be when it is named', () => {
    const cwd = temporaryProject(PROJECT)
    const away = ['-c', 'mkdir x; cd x; rmdir ../x; exec "$0" "$@"', process.execPath, PROGRAM]
    const run = (...args: string[]) => spawnSync('sh', [...away, ...args], { cwd, encoding: 'utf8' })
    expect(run('instance', 'list', '--project', cwd)).toMatchObject({ status: 0, stderr: '' })
    for (const args of [['user', 'list'], ['init'], ['user', 'list', '--project', '..']]) {
      const { status, stderr } = run(...args)
      expect({ args, status }).toEqual({ args, status: 3 })
      expect(stderr).toMatch(/^error: The working directory has been removed\. \[project_not_found\]$/m)
    }
  })

  it('has a mux.yaml whose problems are all told, with 1, and nothing is changed', async () => {
    const yaml = 'app: { comand: x, boot: never }\ninstances: { A: {} }\n'
    const cwd = temporaryProject(yaml)
    const ended = await runMux(['instance', 'add', 'b', '--json'], { cwd })
    expect(ended.code).toBe(1)
    expect(ended.json()).toMatchObject({ error: { code: 'config_invalid' } })
    const { details } = (ended.json() as { error: { details: string[] } }).error
    expect(details.filter((line) => line.startsWith('line '))).toHaveLength(details.length)
    expect(details.join('\n')).toMatch(/comand.*did you mean command[^]*app\.boot[^]*instances\.A/)
    expect(readFileSync(join(cwd, 'mux.yaml'), 'utf8')).toBe(yaml)
  })

  it('keeps its state to the one who runs mux, whatever the umask, and out of git', async () => {
    const cwd = temporaryProject(PROJECT)
    mkdirSync(join(cwd, '.mux'))
    chmodSync(join(cwd, '.mux'), 0o755)
    const openly = ['-c', 'umask 000; exec "$0" "$@"', process.execPath, PROGRAM]
    spawnSync('sh', [...openly, 'user', 'add', 'brian', '--generate'], { cwd })
    const { stdout } = await runMux(['instance', 'show', 'django1'], { cwd })
    expect(stdout).toContain('brian')
    expect(readFileSync(join(cwd, '.mux/.gitignore'), 'utf8')).toBe('*\n')
    expect(statSync(join(cwd, '.mux')).mode & 0o777).toBe(0o700)
    const entries = readdirSync(join(cwd, '.mux'), { recursive: true, encoding: 'utf8' })
    // The lock of SQLite says nothing, and stands in a directory that nobody else may enter.
    for (const entry of entries.filter((name) => name !== 'run/change.lock')) {
      expect(statSync(join(cwd, '.mux', entry)).mode & 0o077).toBe(0)
    }
  })

  it('whose state is no directory ends with 6', async () => {
    const cwd = temporaryProject(PROJECT)
    writeFileSync(join(cwd, '.mux'), '')
    const ended = await runMux(['user', 'list'], { cwd })
    expect(ended).toMatchObject({ code: 6, stdout: '' })
    expect(ended.stderr).toContain('[state_refused]')
  })
})

describe('the command line works', () => {
  it.each([undefined, '/dev/null'])(
    'with %s as its HOME, in the C locale, without colour where there is no terminal',
    async (HOME) => {
      const cwd = temporaryProject(PROJECT)
      const ended = await runMux(['instance', 'list'], { cwd, env: { HOME, LANG: 'C', TERM: 'dumb' } })
      expect(ended).toMatchObject({ code: 0, stderr: '' })
      expect(ended.stdout).not.toContain('\u001b')
    },
  )

  it('with a reader that goes away', async () => {
    const cwd = temporaryProject(PROJECT)
    const { status, stderr } = spawnSync(
      'bash',
      [
        '-c',
        `set -o pipefail; "$1" "$2" instance list 2>&1 | true; echo "\${PIPESTATUS[0]}" >&2`,
        'bash',
        process.execPath,
        PROGRAM,
      ],
      { cwd, encoding: 'utf8' },
    )
    expect(status).toBe(0)
    expect(['0', '141']).toContain(stderr.trim())
  })

  it('and says what has become of its answer, where that could not be written', () => {
    const cwd = temporaryProject(PROJECT)
    const words = ['-c', 'exec "$0" "$1" instance list --json > /dev/full', process.execPath, PROGRAM]
    const { status, stderr } = spawnSync('sh', words, { cwd, encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /^error: Standard output could not be written \(ENOSPC\)\. \[output_unwritable\]\n {2}.*\n$/,
    )
  })

  it('and says in one sentence which Node it needs, where that is too old', async () => {
    const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '14.21.3' } }); process.argv[1] = ${JSON.stringify(PROGRAM)}; require(${JSON.stringify(PROGRAM)})`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', pretend], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/^error: mux needs Node 22\.19 or newer, and this is Node 14\.21\.3;.*\n$/)
  })

  it('whatever it is given: no stack, no hang', async () => {
    const words = [
      'user',
      'instance',
      'route',
      'add',
      'remove',
      'list',
      'set',
      'show',
      'move',
      '--json',
      '--yes',
      '--instance',
      'django1',
      'brian',
      '',
      '--',
      '-',
      '*',
      'A=b',
      '--generate',
      '--help',
      '\u0001',
      '--project',
      '{"a":1}',
      '%s',
      '$(id)',
    ]
    let seed = 20
    const next = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return Math.floor((seed / 2 ** 31) * below)
    }
    const cwd = temporaryProject(PROJECT)
    const vectors = Array.from({ length: 16 }, () =>
      Array.from({ length: next(6) }, () => words[next(words.length)]!),
    )
    for (let at = 0; at < vectors.length; at += 4) {
      await Promise.all(
        vectors.slice(at, at + 4).map(async (args) => {
          const ended = await runMux(args, { cwd })
          expect([args, ended.code]).toEqual([args, expect.toBeOneOf([0, 1, 2, 3, 4])])
          expect(`${ended.stdout}${ended.stderr}`).not.toMatch(/^\s+at .*:\d+|internal/m)
        }),
      )
    }
  })
})

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PROGRAM, runMux, temporaryDirectory } from '../../fixtures/run-mux.ts'
import type { Service } from '../../operations/service.ts'

const LISTEN = 'edge: { listen: "127.0.0.1:8123" }'
const YAML = `app: { command: node server.js }\n${LISTEN}\ninstances: { django1: {} }\n`

/** A project in a directory of that name, and a home for the units. */
function setUp(name = 'notes', yaml = YAML) {
  const root = temporaryDirectory()
  const directory = join(root, name)
  mkdirSync(directory)
  writeFileSync(join(directory, 'mux.yaml'), yaml)
  const env = { XDG_CONFIG_HOME: join(root, 'config') }
  const units = join(root, 'config/systemd/user')
  return {
    root,
    directory,
    units,
    mux: (...args: string[]) => runMux(['service', ...args], { cwd: directory, env }),
    write: (text: string) => writeFileSync(join(directory, 'mux.yaml'), text),
    files: () => (existsSync(units) ? readdirSync(units).toSorted() : []),
    unit: (file: string) => readFileSync(join(units, file), 'utf8'),
  }
}

describe('mux service install', () => {
  it('writes a service that runs this Node and this mux on this project, and a socket with the address of mux.yaml', async () => {
    const { mux, files, unit, directory } = setUp()
    const { code, stdout, stderr } = await mux('install', '--user')
    expect(code).toBe(0)
    expect(files()).toEqual(['mux-notes.service', 'mux-notes.socket'])
    expect(unit('mux-notes.service')).toContain(
      `\nExecStart=${process.execPath} ${PROGRAM} up --project ${directory}\n`,
    )
    expect(unit('mux-notes.socket')).toContain('\nListenStream=127.0.0.1:8123\n')
    expect(stdout).toContain('mux-notes.service.')
    expect(stderr).toContain('systemctl --user enable --now mux-notes.socket mux-notes.service')
  })

  it('writes nothing for an address at which mux would refuse to speak plain HTTP', async () => {
    const { mux, files, write } = setUp('notes', YAML.replace('127.0.0.1', '0.0.0.0'))
    const { code, stderr } = await mux('install', '--user')
    expect([code, files()]).toEqual([6, []])
    expect(stderr).toContain('plain_http_refused')
    write(YAML.replace('"127.0.0.1:8123"', '"0.0.0.0:8123", behind_proxy: true'))
    expect((await mux('install', '--user')).code).toBe(0)
  })

  it('has the socket of a host where its gateway listens', async () => {
    const host = (listen: string) =>
      `${YAML}host: { name: web1, origin: "https://web1.example.com", listen: "${listen}" }\n`
    const { mux, unit, files, write } = setUp('notes', host('0.0.0.0:9191'))
    expect([(await mux('install', '--user')).code, files()]).toEqual([6, []])
    write(host('127.0.0.1:9191'))
    expect((await mux('install', '--user')).code).toBe(0)
    expect(unit('mux-notes.socket')).toContain('\nListenStream=127.0.0.1:9191\n')
    expect(unit('mux-notes.service')).toContain(' up --project ')
  })

  it('again changes nothing, and after a change of mux.yaml what has changed', async () => {
    const { mux, write, unit, units } = setUp()
    await mux('install', '--user')
    const changesOf = async () => {
      const { changes } = (await mux('install', '--user', '--json')).json() as { changes: object }
      return Object.fromEntries(Object.entries(changes).map(([file, change]) => [basename(file), change]))
    }
    expect(await changesOf()).toEqual({ 'mux-notes.service': 'unchanged', 'mux-notes.socket': 'unchanged' })
    write(YAML.replace('8123', '8124'))
    expect(await changesOf()).toEqual({ 'mux-notes.service': 'unchanged', 'mux-notes.socket': 'written' })
    expect(unit('mux-notes.socket')).toContain('ListenStream=127.0.0.1:8124')
    expect(readdirSync(units)).toHaveLength(2)
  })

  it.each([
    ['somebody else’s', '[Service]\n'],
    ['another project’s', '# Written by "mux service install" for /srv/notes\n'],
  ])('leaves a unit that is %s as it is, and takes another name', async (_, text) => {
    const { mux, files, unit, units } = setUp()
    mkdirSync(units, { recursive: true })
    writeFileSync(join(units, 'mux-notes.socket'), text)
    for (const command of ['install', 'uninstall']) {
      const refused = await mux(command, '--user')
      expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('service_exists') })
    }
    expect(files()).toEqual(['mux-notes.socket'])
    expect(unit('mux-notes.socket')).toBe(text)
    expect((await mux('install', '--user', '--name', 'mux-other')).code).toBe(0)
    expect(files()).toContain('mux-other.service')
  })

  it.each([
    ['a port that is chosen at the start', YAML.replace('8123', '0'), [], 1, 'address_unusable'],
    ['an address nobody knows', YAML.replace('127.0.0.1', 'nowhere.invalid'), [], 1, 'address_unusable'],
    ['a name that is a path', YAML, ['--name', '../x'], 2, 'name_invalid'],
    ['two systemds', YAML, ['--system'], 2, 'usage'],
    ['a broken mux.yaml', 'app: [', [], 1, 'config_invalid'],
  ])('refuses %s, and writes nothing', async (_, yaml, args, exit, error) => {
    const { mux, files } = setUp('notes', yaml)
    const refused = await mux('install', '--user', ...args)
    expect(refused).toMatchObject({ code: exit, stderr: expect.stringContaining(error) })
    expect(files()).toEqual([])
  })
})

describe('mux service uninstall', () => {
  it('removes what install wrote and nothing else, whatever has become of mux.yaml', async () => {
    const { mux, write, files, units } = setUp()
    await mux('install', '--user')
    writeFileSync(join(units, 'other.service'), '')
    write('app: [')
    expect((await mux('uninstall', '--user')).code).toBe(0)
    expect(files()).toEqual(['other.service'])
    expect(await mux('uninstall', '--user')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('service_not_found'),
    })
  })

  it('refuses while it is enabled, and says how it is disabled', async () => {
    const { mux, files, units } = setUp()
    await mux('install', '--user')
    mkdirSync(join(units, 'sockets.target.wants'))
    const link = join(units, 'sockets.target.wants/mux-notes.socket')
    symlinkSync(join(units, 'mux-notes.socket'), link)
    const refused = await mux('uninstall', '--user')
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('service_enabled') })
    expect(refused.stderr).toContain('systemctl --user disable --now mux-notes.socket mux-notes.service')
    expect(files()).toContain('mux-notes.service')
    rmSync(link)
    expect((await mux('uninstall', '--user')).code).toBe(0)
  })
})

it('mux service show prints both units and writes nothing', async () => {
  const { mux, files } = setUp()
  const { code, stdout } = await mux('show', '--system')
  expect(code).toBe(0)
  expect(stdout).toContain('# /etc/systemd/system/mux-notes.service\n')
  expect(stdout).toContain('[Socket]')
  expect(stdout).toMatch(/^User=\S+$/m)
  expect(files()).toEqual([])
})

it.each([
  [253, false],
  [254, true],
])(
  'under systemd %i, mux in a control group beside those of the instances: %s',
  async (version, expected) => {
    const { root, directory } = setUp()
    const programs = join(root, 'bin')
    mkdirSync(programs)
    writeFileSync(join(programs, 'systemctl'), `#!/bin/sh\necho 'systemd ${version} (${version}.1)'\n`, {
      mode: 0o755,
    })
    const env = { PATH: `${programs}:${process.env['PATH']}` }
    const { stdout } = await runMux(['service', 'show', '--user'], { cwd: directory, env })
    expect(stdout).toContain('\nDelegate=memory pids\n')
    expect(stdout.includes('\nDelegateSubgroup=supervisor\n')).toBe(expected)
  },
)

const hasSystemd = runs('systemd-analyze', '--version')
// CI installs it, so there its absence is a failure and not a reason.
if (!hasSystemd && process.env['CI']) throw new Error('not installed: systemd')
if (!hasSystemd) process.stderr.write('skipped in part, since this machine lacks systemd-analyze\n')

describe.skipIf(!hasSystemd)('systemd understands every line', () => {
  it.each([
    ['system', 'notes'],
    ['user', 'notes'],
    ['system', 'My 100% $ite'],
    ['user', `it's "näher" %n \${HOME}`],
    ['user', '-'],
  ])('for the %s, of a project in %s', async (scope, name) => {
    const { mux, root } = setUp(name)
    const { units } = (await mux('show', `--${scope}`, '--json')).json() as Service
    const files = units.map(({ file, text }) => {
      const copy = join(root, basename(file))
      writeFileSync(copy, text)
      return copy
    })
    const runtime = join(root, 'run')
    mkdirSync(runtime, { mode: 0o700 })
    const verified = spawnSync('systemd-analyze', ['verify', `--${scope}`, '--man=no', ...files], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], XDG_RUNTIME_DIR: runtime, HOME: root },
    })
    expect(verified.stderr + verified.stdout).toBe('')
    expect(verified.status).toBe(0)
  })
})

function runs(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

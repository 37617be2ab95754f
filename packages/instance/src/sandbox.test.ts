import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { otherSupervisor, recordsIn } from './fixtures/killed-supervisor.ts'
import { define, fixture, laboratory, lives, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'
import { findTool } from './program.ts'
import { bubblewrapArguments, mayHaveProc } from './sandbox.ts'

const bubblewrap = findTool('bwrap')
// CI installs it, so there its absence is a failure and not a reason.
if (bubblewrap === undefined && process.env['CI']) throw new Error('not installed: bubblewrap')
/** A Node that is not in /tmp, which a sandbox covers. */
const node = [process.execPath, '/usr/local/bin/node', '/usr/bin/node'].find(
  (path) => existsSync(path) && !path.startsWith('/tmp/'),
)
const isRoot = process.getuid?.() === 0
/** Nothing holds root, so where the tests run as root their sandboxes have a user. */
const ACCOUNT = isRoot ? { user: '61004', group: '61004' } : {}
const obstacle = whyNot()

/** Why there can be no sandbox here; undefined when there can. */
function whyNot(): string | undefined {
  if (bubblewrap === undefined) return 'bubblewrap is not installed'
  if (node === undefined) return 'the only Node here is in /tmp'
  const args = ['--unshare-pid', '--ro-bind', '/', '/', '--', node, '-e', '']
  const tried = spawnSync(bubblewrap, args, isRoot ? { uid: 61_004, gid: 61_004, cwd: '/' } : {})
  return tried.status === 0
    ? undefined
    : `bubblewrap may not make a sandbox here: ${tried.stderr.toString().trim()}`
}

const ownProc = obstacle === undefined && (await mayHaveProc(isRoot ? { uid: 61_004, gid: 61_004 } : null))

const inSandbox = () => beforeEach((context) => context.skip(obstacle !== undefined, obstacle))

function snoops(name: string, changes: Parameters<typeof define>[2] = {}) {
  const directory = temporaryDirectory()
  chmodSync(directory, 0o755)
  copyFileSync(fixture('snoops'), join(directory, 'snoops.mjs'))
  const command = [node ?? 'node', 'snoops.mjs', '{socket}'] as const
  return define(name, 'snoops', { command, directory, sandbox: true, ...ACCOUNT, ...changes })
}

describe('a program in a sandbox', () => {
  inSandbox()

  it('can write what is its own, and nothing else', async () => {
    const definition = snoops('django1')
    const { ask, stateDirectory } = await laboratory([definition, snoops('django2')])
    const write = (path: string) => ask('django1', `/write?path=${path}`)
    const data = (name: string) => join(stateDirectory, 'data', name, 'db')
    const readOnly = { code: 'EROFS' }
    await ask('django2', `/write?path=${data('django2')}`)
    expect(await write(data('django1'))).toBe('done')
    expect(readFileSync(data('django1'), 'utf8')).toBe('written')
    for (const path of ['/tmp/mux-sandbox-test', '/var/tmp/mux-sandbox-test']) {
      expect(await write(path)).toBe('done')
      expect(existsSync(path)).toBe(false)
    }
    expect(await write('/etc/mux-sandbox-test')).toEqual(readOnly)
    expect(await write(join(definition.directory, 'snoops.mjs'))).toEqual(readOnly)
    expect(await write(join(stateDirectory, 'file'))).toEqual(readOnly)
    expect(await write(data('django2'))).toEqual({ code: 'ENOENT' })
  })

  it('sees nothing of mux, of other instances and of other processes', async () => {
    const stateDirectory = temporaryDirectory()
    mkdirSync(join(stateDirectory, 'secrets'))
    writeFileSync(join(stateDirectory, 'registry.sqlite'), 'hush')
    const { ask, status } = await laboratory([snoops('django1'), snoops('django2')], { stateDirectory })
    await ask('django2', '/identity')
    const read = (path: string) => ask('django1', `/read?path=${path}`)
    expect(await read(stateDirectory)).toBe('data,sockets')
    expect(await read(join(stateDirectory, 'data'))).toBe('django1')
    expect(await read(join(stateDirectory, 'sockets'))).toMatch(/^django1\.1\.[0-9a-f]{8}$/)
    if (ownProc) expect(await read('/proc')).not.toMatch(/(?:^|,)\d{3,}(?:,|$)/)
    for (const pid of [process.pid, status('django2').generation!.pid]) {
      expect(await ask('django1', `/signal?path=${pid}`)).toEqual({ code: 'ESRCH' })
    }
    const target = join(stateDirectory, 'run', 'django2.1.sock')
    expect(await ask('django1', `/connect?path=${target}`)).toEqual({ code: 'ENOENT' })
  })

  it('has no privileges, and can get none', async () => {
    const { ask } = await laboratory([snoops('django1')])
    const status = await ask('django1', '/read?path=/proc/self/status')
    expect(status).toMatch(/^NoNewPrivs:\s*1$/m)
    expect(status).toMatch(/^CapEff:\s*0+$/m)
    expect(status).toMatch(/^CapPrm:\s*0+$/m)
  })

  it('has no other environment than without, but for its home', async () => {
    const { ask, stateDirectory } = await laboratory([snoops('django1', { umask: 0o077 })], {
      environment: { PATH: process.env['PATH'], HOME: '/root', TMPDIR: '/elsewhere', TOKEN: 'planted' },
    })
    const { environment } = (await ask('django1', '/identity')) as unknown as {
      environment: Record<string, string>
    }
    expect(Object.keys(environment).sort()).toEqual([
      'HOME',
      'MUX_DATA',
      'MUX_GENERATION',
      'MUX_INSTANCE',
      'MUX_SOCKET',
      'PATH',
    ])
    expect(environment['HOME']).toBe(join(stateDirectory, 'data', 'django1'))
  })

  it('is told from others in ps, is found on its port, and ends with all that it started', async () => {
    const { ask, events, status, supervisor } = await laboratory([
      snoops('django1', { command: ['sh', '-c', `(setsid sleep 60 &); exec ${node!} snoops.mjs`] }),
    ])
    await ask('django1', '/identity')
    const { pid } = status('django1').generation!
    expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).toMatch(/^mux:django1\0/)
    await supervisor.stop(nameOf('django1'))
    // SIGTERM was enough.
    expect(events).toContainEqual(expect.objectContaining({ event: 'ended', killed: false }))
    expect(status('django1').lastExit).toMatchObject({ by: 'us' })
    expect(lives(pid)).toBe(false)
  })

  it('is started again when it crashes, and its code is told', async () => {
    const { ask, events } = await laboratory([snoops('django1')])
    await ask('django1', '/exit?path=7').catch(() => {})
    await expect.poll(() => events).toContainEqual(expect.objectContaining({ event: 'crashed', code: 7 }))
    expect(await ask('django1', '/write?path=/tmp/again')).toBe('done')
  })

  it('survives the death of its supervisor, and serves on under the next', async () => {
    const definition = snoops('django1')
    const stateDirectory = temporaryDirectory()
    const other = await otherSupervisor(stateDirectory, definition)
    await other.kill()
    const { pid } = recordsIn(stateDirectory)[0]!
    const { ask, status, supervisor } = await laboratory([definition], { stateDirectory })
    expect(status('django1').generation?.pid).toBe(pid)
    expect(await ask('django1', '/write?path=/tmp/on')).toBe('done')
    await supervisor.stop(nameOf('django1'))
    expect(lives(pid!)).toBe(false)
  })
})

describe('a sandbox that may have no /proc of its own', () => {
  inSandbox()

  it('sees that there are others, and nothing of them', () => {
    const own = temporaryDirectory()
    const parts = { directory: '/', data: join(own, 'data'), socketDirectory: join(own, 'socket') }
    for (const part of [own, parts.data, parts.socketDirectory, join(parts.socketDirectory, 'tmp')]) {
      mkdirSync(part, { recursive: true })
      if (isRoot) chownSync(part, 61_004, 61_004)
    }
    const account = isRoot ? { uid: 61_004, gid: 61_004, cwd: '/' } : {}
    const outside = spawn('sleep', ['60'], { ...account, env: { SECRET: 'hush' }, stdio: 'ignore' })
    onTestFinished(() => void outside.kill('SIGKILL'))
    const args = bubblewrapArguments({ ...parts, stateDirectory: own, ownProc: false }, existsSync)
    const tries = `cd /proc/${outside.pid}; cat environ; ls root/etc cwd/etc; readlink fd/0; kill ${outside.pid}; echo over`
    const tried = spawnSync(bubblewrap!, [...args, '--', 'sh', '-c', tries], { ...account, encoding: 'utf8' })
    expect(tried.stdout).toBe('over\n')
    expect(lives(outside.pid!)).toBe(true)
  })
})

it('what cannot be made here is told by its field, with the words of bubblewrap, and not tried again by itself', async () => {
  const bin = temporaryDirectory()
  chmodSync(bin, 0o755)
  const words = 'bwrap: No permissions to create new namespace'
  writeFileSync(join(bin, 'bwrap'), `#!/bin/sh\necho '${words}' >&2\nexit 1\n`, { mode: 0o755 })
  const { PATH } = process.env
  process.env['PATH'] = `${bin}:${PATH}`
  onTestFinished(() => void (process.env['PATH'] = PATH))
  const { supervisor, status } = await laboratory([snoops('django1')])
  const failure = await supervisor.start(nameOf('django1')).catch((error: unknown) => error)
  expect(failure).toMatchObject({ message: 'sandbox: bwrap could not make one here.', log: [words] })
  expect(status('django1').nextTry).toBeNull()
})

it('where mux runs as root, a sandbox takes a user as well', async (context) => {
  context.skip(!isRoot, 'these tests do not run as root')
  const { supervisor } = await laboratory([snoops('django1', { user: null, group: null })])
  const failure = await supervisor.start(nameOf('django1')).catch((error: unknown) => error)
  expect((failure as Error).message).toBe(
    'sandbox: where mux runs as root it takes a user as well; nothing holds root.',
  )
})

describe('what a sandbox is made of', () => {
  const project = {
    stateDirectory: '/srv/site/.mux',
    directory: '/srv/site',
    data: '/srv/site/.mux/data/a',
    socketDirectory: '/srv/site/.mux/sockets/a.1.0',
    ownProc: true,
  }
  it('covers what the machine has, and no more', () => {
    const minimal = bubblewrapArguments(project, (path) => path === '/tmp').join(' ')
    expect(minimal).not.toContain('/run/user')
    expect(minimal).not.toContain('/var/tmp')
    const full = bubblewrapArguments(project, () => true).join(' ')
    expect(full).toContain('--tmpfs /run/user')
    expect(full).not.toContain('--ro-bind /srv/site /srv/site')
  })

  it('has the directory of an application that lies in a temporary one', () => {
    const args = bubblewrapArguments({ ...project, directory: '/tmp/site' }, () => true).join(' ')
    expect(args).toContain('--ro-bind /tmp/site /tmp/site')
  })
})

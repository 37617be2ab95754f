import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { findNursery } from './cgroup.ts'
import { define, fixture, laboratory, lives, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'

/** Numbers that nobody has, nor the same tests in another process: how many processes a user has is counted. */
const FIRST = 20_000 + 4 * (process.pid % 10_000)
const ADA = { uid: FIRST, gid: FIRST }
const BRIAN = { uid: FIRST + 1, gid: FIRST + 1 }
const CHARLES = { uid: FIRST + 2, gid: FIRST + 2 }
const CREW = FIRST + 3
const obstacle = whyNot()

/** Why instances cannot be given users here; undefined when they can. */
function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may start something as another user'
  const { status } = spawnSync(process.execPath, ['-e', ''], { ...ADA, cwd: '/' })
  return status === 0 ? undefined : 'other users may not run the Node that runs these tests'
}

beforeEach((context) => context.skip(obstacle !== undefined, obstacle))

/** Instances that snoop, each as the user given; the program lies where all may read it. */
function snoops(name: string, { uid, gid }: typeof ADA, changes: Parameters<typeof define>[2] = {}) {
  const directory = temporaryDirectory()
  chmodSync(directory, 0o755)
  const program = join(directory, 'snoops.mjs')
  copyFileSync(fixture('snoops'), program)
  return define(name, 'snoops', {
    command: [process.execPath, program, '{socket}'],
    user: `${uid}`,
    group: `${gid}`,
    ...changes,
  })
}

function ownerOf(path: string): number[] {
  const { uid, gid } = lstatSync(path)
  return [uid, gid]
}

describe('an instance with a user', () => {
  it('runs as that user, in that group and no other, with data that are its own', async () => {
    const definition = snoops('django1', { ...ADA, gid: CREW })
    const { ask, stateDirectory, status } = await laboratory([definition], {
      environment: { PATH: process.env['PATH'], HOME: '/root' },
    })
    const seen = (await ask('django1', '/identity')) as unknown as Record<string, unknown>
    const data = join(stateDirectory, 'data', 'django1')
    expect(seen).toMatchObject({ uid: ADA.uid, gid: CREW, groups: [CREW] })
    expect(seen).toHaveProperty(['environment', 'HOME'], data)
    expect([statSync(data).mode & 0o777, ...ownerOf(data)]).toEqual([0o700, ADA.uid, CREW])
    const { pid } = status('django1').generation!
    expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).toMatch(/^mux:django1\0/)
    if (findNursery('/proc/self', true)) {
      expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain('/mux.django1.1.')
    }
    expect(await ask('django1', `/write?path=${data}/db`)).toBe('done')
    expect(await ask('django1', '/write?path=/dev/stderr')).toBe('done')
    await expect
      .poll(() => readFileSync(join(stateDirectory, 'logs', 'django1.log'), 'utf8'))
      .toContain('written')
  })

  it('can neither read nor reach anything of another, nor of mux', async () => {
    const stateDirectory = temporaryDirectory()
    for (const part of ['keys', 'secrets']) mkdirSync(join(stateDirectory, part), { mode: 0o700 })
    for (const file of ['keys/session', 'secrets/KEY', 'registry.sqlite']) {
      writeFileSync(join(stateDirectory, file), 'hush', { mode: 0o600 })
    }
    const secret = { KEY: { secretFile: join(stateDirectory, 'secrets', 'KEY') } }
    const definitions = [snoops('django1', ADA), snoops('django2', BRIAN, { settings: secret })]
    const { ask, supervisor } = await laboratory(definitions, { stateDirectory })
    await ask('django2', `/write?path=${join(stateDirectory, 'data', 'django2', 'db')}`)
    const attempts = async (path: string) => ({
      read: await ask('django1', `/read?path=${path}`),
      write: await ask('django1', `/write?path=${path}`),
      connect: await ask('django1', `/connect?path=${path}`),
    })
    const refused = { code: expect.stringMatching(/^(?:EACCES|EPERM|EISDIR|ENXIO|ECONNREFUSED)$/) }
    const outcomes: Record<string, unknown> = {}
    await ask('django1', '/identity')
    const paths = readdirSync(stateDirectory, { recursive: true, encoding: 'utf8' })
    const others = paths.filter((path) => !/^(?:data|sockets)\/django1(?:$|[./])/.test(path))
    // Neither are left out that matter most.
    expect(others).toEqual(
      expect.arrayContaining(['data/django2/db', 'run/django2.1.sock', 'run/django1.1.sock']),
    )
    for (const path of others) outcomes[path] = await attempts(join(stateDirectory, path))
    expect(outcomes).toEqual(
      Object.fromEntries(others.map((path) => [path, { read: refused, write: refused, connect: refused }])),
    )
    const { pid } = supervisor.status().instances[1]!.generation!
    for (const other of [pid, process.pid]) {
      expect(await ask('django1', `/read?path=/proc/${other}/environ`)).toEqual(refused)
      expect(await ask('django1', `/read?path=/proc/${other}/fd`)).toEqual(refused)
    }
  })

  it('cannot lead mux to the socket of another', async () => {
    const { ask, supervisor, stateDirectory } = await laboratory([
      snoops('django1', ADA),
      snoops('django2', BRIAN),
    ])
    await ask('django2', '/identity')
    const target = join(stateDirectory, 'run', 'django2.1.sock')
    expect(await ask('django1', `/divert?path=${target}`)).toBe('done')
    const lease = await supervisor.claim(nameOf('django1'), {
      navigation: false,
      signal: new AbortController().signal,
    })
    const { socketPath } = lease.address as { socketPath: string }
    lease.release()
    // On a connection of its own, since one that is open leads to where it was opened.
    const dispatcher = new Agent({ connect: { socketPath } })
    const answer = await request('http://x/identity', { dispatcher })
    expect(await answer.body.json()).toMatchObject({ uid: ADA.uid })
    await dispatcher.close()
  })

  it.each(['ln -s', 'ln'])('that gives another socket for its own, by %s, is not ready', async (link) => {
    const elsewhere = temporaryDirectory()
    chmodSync(elsewhere, 0o755)
    const target = join(elsewhere, 'socket')
    const other = createServer().listen(target)
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const command = ['sh', '-c', `${link} "${target}" "{socket}"; exec sleep 60`] as const
    const { supervisor } = await laboratory([snoops('django1', ADA, { command, limits: { start: 500 } })])
    const failure = await supervisor.start(nameOf('django1')).catch((error: unknown) => error)
    expect((failure as Error).message).toMatch(/nothing listens there/)
  })

  it('leaves nothing of its socket behind', async () => {
    const { ask, supervisor, stateDirectory } = await laboratory([snoops('django1', ADA)])
    await ask('django1', '/identity')
    await supervisor.stop(nameOf('django1'))
    expect(readdirSync(join(stateDirectory, 'sockets'))).toEqual([])
    expect(readdirSync(join(stateDirectory, 'run'))).toEqual([])
  })

  it('is reached on a port that only its own process may have', async () => {
    const definition = snoops('django1', ADA)
    const [node, program] = definition.command
    const { ask } = await laboratory([{ ...definition, command: [node, program!] }])
    expect(await ask('django1', '/identity')).toMatchObject({ uid: ADA.uid })
  })
})

describe('a change of the user', () => {
  it('gives the data to the next one, after the one before has ended, and nothing that lies elsewhere', async () => {
    const elsewhere = temporaryDirectory()
    for (const file of ['linked', 'pointed-at']) writeFileSync(join(elsewhere, file), 'not yours')
    const definition = snoops('django1', ADA)
    const { ask, supervisor, stateDirectory, events } = await laboratory([definition])
    await ask('django1', '/identity')
    const data = join(stateDirectory, 'data', 'django1')
    const chown = (...paths: string[]) => spawnSync('chown', ['-h', `${ADA.uid}:${ADA.gid}`, ...paths])
    mkdirSync(join(data, 'media', 'deep'), { recursive: true })
    writeFileSync(join(data, 'media', 'deep', 'file'), 'hers')
    writeFileSync(join(data, 'once'), 'hers')
    linkSync(join(data, 'once'), join(data, 'twice'))
    linkSync(join(elsewhere, 'linked'), join(data, 'hard'))
    symlinkSync(join(elsewhere, 'pointed-at'), join(data, 'soft'))
    symlinkSync(elsewhere, join(data, 'way-out'))
    const all = ['media', 'media/deep', 'media/deep/file', 'once', 'twice', 'hard', 'soft', 'way-out']
    // As if she had made it all, the file elsewhere included, of which she has a second name.
    chown(...all.map((path) => join(data, path)))
    supervisor.define([{ ...definition, user: `${BRIAN.uid}`, group: `${BRIAN.gid}` }])
    await supervisor.restart(nameOf('django1'))
    expect(await ask('django1', '/identity')).toMatchObject(BRIAN)
    const owners = Object.fromEntries(all.map((path) => [path, ownerOf(join(data, path))[0]]))
    expect(owners).toEqual({
      media: BRIAN.uid,
      'media/deep': BRIAN.uid,
      'media/deep/file': BRIAN.uid,
      once: BRIAN.uid,
      twice: BRIAN.uid,
      hard: ADA.uid,
      soft: BRIAN.uid,
      'way-out': BRIAN.uid,
    })
    expect(ownerOf(join(elsewhere, 'pointed-at'))).toEqual([0, 0])
    expect(ownerOf(elsewhere)).toEqual([0, 0])
    const order = events.map(({ event }) => event).filter((event) => /^(?:started|ended)$/.test(event))
    expect(order).toEqual(['started', 'ended', 'started'])
  })

  it('to none gives the data back', async () => {
    const definition = snoops('django1', ADA)
    const { ask, supervisor, stateDirectory } = await laboratory([definition])
    const data = join(stateDirectory, 'data', 'django1')
    await ask('django1', `/write?path=${data}/db`)
    supervisor.define([{ ...definition, user: null, group: null }])
    await supervisor.restart(nameOf('django1'))
    expect(await ask('django1', '/identity')).toMatchObject({ uid: 0 })
    expect([ownerOf(data), ownerOf(join(data, 'db'))]).toEqual([
      [0, process.getgid!()],
      [0, process.getgid!()],
    ])
  })
})

it('a change to a user that cannot be had leaves the one before with its data, and serving', async () => {
  const definition = snoops('django1', ADA)
  const { ask, supervisor, stateDirectory, status } = await laboratory([definition])
  const data = join(stateDirectory, 'data', 'django1')
  await ask('django1', `/write?path=${data}/db`)
  supervisor.define([{ ...definition, user: 'no-such-user' }])
  const failure = await supervisor.restart(nameOf('django1')).catch((error: unknown) => error)
  expect(failure).toMatchObject({ message: 'user: there is no no-such-user on this machine.' })
  expect(await ask('django1', '/identity')).toMatchObject(ADA)
  expect(await ask('django1', `/read?path=${data}/db`)).toBe('written')
  expect(status('django1').state).toBe('degraded')
})

describe('a user that cannot be had', () => {
  it.each([
    ['no-such-user', null, 'user: there is no no-such-user on this machine.'],
    ['0', null, "user: 0 is root's, which nothing is kept from."],
    ['61001', 'no-such-group', 'group: there is no no-such-group on this machine.'],
    ['61001', 'root', "group: root is root's, which nothing is kept from."],
    ['61001', null, 'group: user 61001 has no account here that would tell its group, so it takes one.'],
  ])('%s with group %s is told by field, and not tried again by itself', async (user, group, message) => {
    const { supervisor, status, stateDirectory } = await laboratory([snoops('django1', ADA, { user, group })])
    const failure = await supervisor.start(nameOf('django1')).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'instance_failed', message })
    expect(status('django1').nextTry).toBeNull()
    expect(existsSync(join(stateDirectory, 'sockets', 'django1.1'))).toBe(false)
  })

  it('because it may not enter the project says so', async () => {
    const closed = temporaryDirectory()
    const stateDirectory = join(closed, '.mux')
    mkdirSync(stateDirectory, { mode: 0o700 })
    const { supervisor } = await laboratory([snoops('django1', ADA)], { stateDirectory })
    const failure = await supervisor.start(nameOf('django1')).catch((error: unknown) => error)
    expect((failure as Error).message).toMatch(
      new RegExp(
        `^user: ${ADA.uid} may not enter .*django1\\. Every directory above the project has to let it pass`,
      ),
    )
  })
})

describe('an instance that starts processes without end', () => {
  it('gets no further than its limit, the others serve, and nothing of it is left', async () => {
    const FORKS = 'while :; do sleep 60 & done 2>/dev/null'
    const greedy = snoops('django1', CHARLES, {
      // bash, since other shells give up at the first process that they can't start.
      command: ['bash', '-c', FORKS],
      limits: { processes: 40, stop: 500 },
    })
    const { supervisor, ask } = await laboratory([greedy, snoops('django2', BRIAN)])
    const starting = supervisor.start(nameOf('django1')).catch(() => {})
    await expect.poll(() => processesOf(CHARLES.uid)).toBe(40)
    expect(await ask('django2', '/identity')).toMatchObject(BRIAN)
    await supervisor.stop(nameOf('django1'))
    await starting
    expect(processesOf(CHARLES.uid)).toBe(0)
  })
})

function processesOf(uid: number): number {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  // One that ends meanwhile is nobody's.
  const ownerIs = (pid: string) => lstatSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === uid
  return pids.filter((pid) => lives(Number(pid)) && ownerIs(pid)).length
}

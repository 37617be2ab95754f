import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { findNursery, makeGroup, membersOf, placeOfGroup, ranOutOfMemory, removeGroup } from './cgroup.ts'
import { otherSupervisor, recordsIn } from './fixtures/killed-supervisor.ts'
import { define, laboratory, lives, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'
import { readRecords } from './generation-record.ts'
import { isAlive, signal, startTimeOf } from './process-tree.ts'

/** A `/proc/self` of a process in this group, and the groups that there are, where a kernel would show them. */
function machine({ own, root = '/', groups = [''] }: { own: string; root?: string; groups?: string[] }) {
  const directory = temporaryDirectory()
  const point = join(directory, 'groups of the machine')
  for (const group of groups) {
    mkdirSync(join(point, group), { recursive: true })
    writeFileSync(join(point, group, 'cgroup.procs'), '')
  }
  writeFileSync(join(directory, 'cgroup'), `4:memory:/elsewhere\n${own}\n`)
  const escaped = point.replaceAll(' ', '\\040')
  writeFileSync(
    join(directory, 'mountinfo'),
    `25 18 0:20 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n26 18 0:21 ${root} ${escaped} rw shared:3 - cgroup2 cgroup2 rw\n`,
  )
  return { directory, point }
}

describe('the group in which mux makes those of its generations', () => {
  const UNIT = '/user.slice/user@1000.service/app.slice/mux-site.service'
  it.each([
    ['its own, where that belongs to its user', { own: `0::${UNIT}`, groups: [UNIT] }, false, UNIT],
    ['that of the unit, from the subgroup', { own: `0::${UNIT}/supervisor`, groups: [UNIT] }, true, UNIT],
    ['none for root, where nobody has given it one', { own: `0::${UNIT}`, groups: [UNIT] }, true, undefined],
    ['the root for root, where there is no systemd', { own: '0::/' }, true, ''],
    [
      'found from where a container mounts it',
      { own: '0::/docker/1/site', root: '/docker/1', groups: ['site'] },
      false,
      '/site',
    ],
    ['none where the mount does not reach', { own: '0::/other', root: '/docker/1' }, false, undefined],
    ['none where there is no version 2', { own: '1:name=systemd:/' }, false, undefined],
    ['none where it is gone', { own: '0::/gone' }, false, undefined],
  ] as const)('is %s', (_, { ...options }, isRoot, expected) => {
    const { directory, point } = machine({
      ...options,
      groups: 'groups' in options ? [...options.groups] : [''],
    })
    expect(findNursery(directory, isRoot)).toBe(expected === undefined ? undefined : `${point}${expected}`)
  })
})

const NONE = { memory: null, processes: null }

describe('the group of a generation', () => {
  it('bounds memory a quarter above its limit, without swap and for all of it together, and the number of processes', () => {
    const nursery = temporaryDirectory()
    const group = makeGroup(placeOfGroup('django1.1.abc', nursery)!, { memory: 2 ** 29, processes: 100 })!
    expect(group).toEqual({ path: join(nursery, 'mux.django1.1.abc'), boundsProcesses: true })
    const files = readdirSync(group.path).map((file) => [file, readFileSync(join(group.path, file), 'utf8')])
    expect(Object.fromEntries(files)).toEqual({
      'memory.max': '671088640',
      'memory.swap.max': '0',
      'memory.oom.group': '1',
      'pids.max': '100',
    })
  })

  it('bounds nothing without a limit', () => {
    const group = makeGroup(placeOfGroup('django1.1.abc', temporaryDirectory())!, NONE)!
    expect(group.boundsProcesses).toBe(false)
    expect(readdirSync(group.path)).toEqual([])
  })

  it('is done without where none can be made', () => {
    expect(makeGroup(placeOfGroup('django1.1.abc', '/proc/self')!, NONE)).toBeUndefined()
  })

  it('tells whether the kernel ended it for want of memory', () => {
    const path = temporaryDirectory()
    expect(ranOutOfMemory(path)).toBe(false)
    writeFileSync(join(path, 'memory.events'), 'low 0\nmax 12\noom 0\noom_kill 0\noom_group_kill 0\n')
    expect(ranOutOfMemory(path)).toBe(false)
    writeFileSync(join(path, 'memory.events'), 'low 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n')
    expect(ranOutOfMemory(path)).toBe(true)
  })
})

const nursery = findNursery('/proc/self', process.getuid?.() === 0)

/**
 * A program that serves and leaves a process behind which nothing tells to be one of its own: in a session of its own,
 * without the marker, deaf to signals, and without a parent.
 */
const LEAVES_A_STRANGER = `(env -i setsid sh -c 'trap "" TERM HUP; echo $$ >"$0"; while :; do sleep 1; done' "{data}/stray" >/dev/null 2>&1 &)
exec "$0" "$@"`

function leavesAStranger() {
  const serves = define('django1', 'serves', { limits: { stop: 500 } })
  return { ...serves, command: ['sh', '-c', LEAVES_A_STRANGER, ...serves.command] as const }
}

/** Its pid, once it is there. */
async function strangerOf(stateDirectory: string): Promise<number> {
  const file = join(stateDirectory, 'data', 'django1', 'stray')
  const pid = () => Number(spawnSync('cat', [file]).stdout.toString())
  await expect.poll(pid).toBeGreaterThan(0)
  const stranger = pid()
  const identity = { pid: stranger, startTime: startTimeOf(stranger), marker: '' }
  onTestFinished(() => {
    if (isAlive(identity)) signal(stranger, 'SIGKILL')
  })
  return stranger
}

async function withStranger() {
  const found = await laboratory([leavesAStranger()])
  await found.ask('django1')
  const stranger = await strangerOf(found.stateDirectory)
  return { ...found, stranger, record: () => recordsIn(found.stateDirectory)[0]! }
}

describe('a generation where mux may make control groups', () => {
  beforeEach((context) => context.skip(nursery === undefined, 'control groups cannot be made here'))

  it('is in one of its own with all that it starts, and that is gone when it has ended', async () => {
    const { record, stranger, supervisor } = await withStranger()
    const { cgroup, pid } = record()
    expect(dirname(cgroup!)).toBe(nursery)
    expect(membersOf(cgroup!)).toEqual(expect.arrayContaining([pid, stranger]))
    expect(membersOf(cgroup!)).not.toContain(process.pid)
    await supervisor.stop(nameOf('django1'))
    expect(lives(stranger)).toBe(false)
    expect(readdirSync(nursery!)).not.toContain(basename(cgroup!))
  })

  it('ends with all that it started when it crashes', async () => {
    const { record, stranger } = await withStranger()
    process.kill(record().pid!, 'SIGKILL')
    await expect.poll(() => lives(stranger)).toBe(false)
  })

  it.each(['takes it over', 'ends it'])(
    'is found again by a supervisor after a dead one, which %s',
    async (what) => {
      const definition = leavesAStranger()
      const stateDirectory = temporaryDirectory()
      await (await otherSupervisor(stateDirectory, definition)).kill()
      const stranger = await strangerOf(stateDirectory)
      const { cgroup, pid } = recordsIn(stateDirectory)[0]!
      if (what === 'ends it') process.kill(pid!, 'SIGKILL')
      const { supervisor, status } = await laboratory([definition], { stateDirectory })
      if (what === 'takes it over') {
        expect(status('django1').generation?.pid).toBe(pid)
        await supervisor.stop(nameOf('django1'))
      }
      await expect.poll(() => lives(stranger)).toBe(false)
      await expect.poll(() => readdirSync(nursery!)).not.toContain(basename(cgroup!))
    },
  )

  it('takes the groups with it that it has made inside', () => {
    const { path } = makeGroup(placeOfGroup(`test.${process.pid}`)!, NONE)!
    mkdirSync(join(path, 'inner', 'most'), { recursive: true })
    removeGroup(path)
    expect(readdirSync(nursery!)).not.toContain(basename(path))
  })
})

it('a record that names the group of somebody else names none', async () => {
  const { stateDirectory, ask } = await laboratory([define('django1', 'serves')])
  await ask('django1')
  const run = join(stateDirectory, 'run')
  const file = join(run, 'django1.1.json')
  const text = readFileSync(file, 'utf8')
  rmSync(file)
  writeFileSync(
    join(run, 'django1.2.json'),
    JSON.stringify({ ...JSON.parse(text), cgroup: '/sys/fs/cgroup' }),
  )
  expect(readRecords(run)[0]!.record!.cgroup).toBeNull()
  writeFileSync(file, text)
  rmSync(join(run, 'django1.2.json'))
})

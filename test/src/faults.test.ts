import { execFile, execFileSync } from 'node:child_process'
import { mkdir, open as openFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { leave } from './harness/nothing-left.ts'
import { expectError, expectNoStack } from './harness/outcomes.ts'
import { cpuOf, descriptorsOf } from './harness/processes.ts'
import { FIXTURES, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { stateOf } from './harness/state.ts'
import { until } from './harness/until.ts'

let project: Project
let running: Running | undefined
let mounted: string | undefined

async function up(instances = '{ django1: {}, django2: {} }', trouble?: string): Promise<Running> {
  project = await Project.create(echoYaml(instances))
  running = await Running.up(project, [], troubleOf(trouble))
  await Promise.all([project.addUser('graham', 'django1'), project.addUser('brian', 'django2')])
  return running
}

function troubleOf(kind: string | undefined): Record<string, string> {
  if (kind === undefined) return {}
  return { NODE_OPTIONS: `--import ${join(FIXTURES, 'trouble.mjs')}`, TROUBLE: kind }
}

afterEach(async () => {
  await running?.stop()
  if (mounted) execFileSync('umount', ['--lazy', mounted])
  await leave(project, running)
  running = mounted = undefined
})

const pidOf = async (user: string): Promise<number> => (await ask(running!.url, '/', { user })).json().pid

describe('a defect inside mux', () => {
  it.each([
    ['a promise that nobody waits for fails', 'reject'],
    ['an error that nobody catches', 'throw'],
  ])(
    '(%s) ends it at once with 1 and one sentence, and the next one goes on with its instances',
    async (_, kind) => {
      const first = await up(undefined, kind)
      const before = await Promise.all(['graham', 'brian'].map(pidOf))
      first.child.kill('SIGUSR2')
      await first.ended()
      expect(first.child.exitCode).toBe(1)
      expect(first.output()).toMatch(
        /"code": "internal",\s+"message": "Something went wrong inside mux: nobody/,
      )
      expectNoStack({ code: 1, signal: null, stdout: first.output(), stderr: '', json: () => undefined })
      running = await Running.up(project)
      expect(await Promise.all(['graham', 'brian'].map(pidOf))).toEqual(before)
    },
  )

  it('(it does nothing for three seconds) costs no request and no process', async () => {
    const { child, url, output } = await up(undefined, 'block')
    const before = await Promise.all(['graham', 'brian'].map(pidOf))
    const underWay = ask(url, '/slow/1000', { user: 'graham' })
    child.kill('SIGUSR2')
    await until('it to be deaf', () => output().includes('deaf') || undefined)
    const answers = await Promise.all([
      underWay,
      ...['graham', 'brian'].map((user) => ask(url, '/', { user })),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(await Promise.all(['graham', 'brian'].map(pidOf))).toEqual(before)
  })
})

it('with no descriptor left it burns no processor and ends nothing, and serves again when there are some', async () => {
  const { child, url } = await up('{ django1: { probe: 1s, health: /ping }, django2: { probe: 1s } }')
  const before = await Promise.all(['graham', 'brian'].map(pidOf))
  const pid = child.pid!
  const limit = (await descriptorsOf(pid)).length + 20
  await promisify(execFile)('prlimit', ['--pid', String(pid), `--nofile=${limit}:`])
  const { hostname, port } = new URL(url)
  const clients = Array.from({ length: 200 }, () => connect(Number(port), hostname).on('error', () => {}))
  await until('none to be left', async () => (await descriptorsOf(pid)).length >= limit - 1 || undefined)
  const [used, began] = [await cpuOf(pid), performance.now()]
  // For as long as it takes to find that an instance hangs.
  await wait(3_500)
  expect((await cpuOf(pid)) - used).toBeLessThan((0.5 * (performance.now() - began)) / 1000)
  for (const client of clients) client.destroy()
  await until('both to be served', async () => {
    const answers = await Promise.all(['graham', 'brian'].map((user) => pidOf(user).catch(() => undefined)))
    return answers.join() === before.join() || undefined
  })
})

describe('an instance that deletes', () => {
  it('its socket and the logs is replaced by itself, and its next lines are kept', async () => {
    const { url } = await up('{ django1: { probe: 500ms }, django2: {} }')
    const old = await pidOf('graham')
    await rm(project.path('.mux/run/django1.1.sock'))
    await rm(project.path('.mux/logs'), { recursive: true })
    // More at once than there are connections from before.
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => ask(url, '/slow/100', { user: 'graham' })),
    )
    for (const { status, json } of answers)
      if (status !== 200) expect([status, json().code]).toEqual([502, 'instance_unreachable'])
    await until('another process', async () => {
      const { status, json } = await ask(url, '/', { user: 'graham' })
      return (status === 200 && json().pid !== old) || undefined
    })
    await ask(url, '/say/still-here', { user: 'graham' })
    await until(
      'its lines',
      async () =>
        (await project.run(['instance', 'logs', 'django1'])).stdout.includes('still-here') || undefined,
    )
  })

  it('its working directory goes on, and its restart says why not until it is there again', async () => {
    project = await Project.create(echoYaml('{ django1: { directory: ./work }, django2: {} }'))
    await project.write('work/file', '')
    running = await Running.up(project)
    await project.addUser('graham', 'django1')
    const old = await pidOf('graham')
    await rm(project.path('work'), { recursive: true })
    const refused = await project.run(['instance', 'restart', 'django1'])
    expectError(refused, 1, 'config_invalid')
    expect(refused.stderr).toContain('instances.django1.directory')
    expect(await pidOf('graham')).toBe(old)
    await project.write('work/file', '')
    const { newPid } = (await project.must(['instance', 'restart', 'django1', '--json'])).json()
    expect(await pidOf('graham')).toBe(newPid)
  })
})

it('on a full disk it serves on, refuses what it could not keep, and goes on as before when there is room', async (context) => {
  project = await Project.create(echoYaml('{ django1: {}, django2: {} }'))
  await mkdir(project.path('.mux'), { mode: 0o700 })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'tmpfs', project.path('.mux')], {
      stdio: 'ignore',
    })
  } catch {
    context.skip('this user may not mount a small file system')
  }
  mounted = project.path('.mux')
  running = await Running.up(project)
  await Promise.all([project.addUser('graham', 'django1'), project.addUser('brian', 'django2')])
  const before = await Promise.all(['graham', 'brian'].map(pidOf))
  const state = await stateOf(project)
  await fill(project.path('.mux/filler'))
  const commands = [
    ['user', 'add', 'eve', '--instance', 'django1', '--generate'],
    ['instance', 'set', 'django1', 'COLOUR=red'],
  ]
  for (const command of commands) expectError(await project.run(command), 1, 'disk_full')
  const refused = await project.run(['instance', 'restart', 'django1'])
  expectError(refused, 1, 'instance_failed')
  expect(refused.stderr).toContain('ENOSPC')
  expect(await Promise.all(['graham', 'brian'].map(pidOf))).toEqual(before)
  await rm(project.path('.mux/filler'))
  expect(await stateOf(project)).toEqual(state)
  for (const command of commands) await project.must(command)
  expect((await ask(running.url, '/', { user: 'graham' })).json().colour).toBe('red')
})

/** Until there is no room for one byte more. */
async function fill(path: string): Promise<void> {
  const file = await openFile(path, 'w')
  try {
    for (;;) await file.write(Buffer.alloc(4_096))
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
  } finally {
    await file.close()
  }
}

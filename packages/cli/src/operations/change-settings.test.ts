import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { addUser, createProject, type TestProject, TWO_INSTANCES } from '../fixtures/mux.ts'

async function setUp(yaml = TWO_INSTANCES) {
  const project = await createProject(yaml)
  onTestFinished(() => project.remove())
  const { url } = await project.up()
  const headers = await addUser(project, 'brian', 'a')
  const ask = async () =>
    (await fetch(url, { headers })).json() as Promise<{ pid: number; color: string | null }>
  return { project, ask }
}

async function must(project: TestProject, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await project.mux(...args)
  expect([code, stderr]).toEqual([0, expect.anything()])
  return stdout
}

it('a running instance takes new settings at once', async () => {
  const { project, ask } = await setUp()
  const before = await ask()
  expect(await must(project, 'instance', 'set', 'a', 'COLOR=red')).toMatch(/restarted in \d+ ms/)
  const after = await ask()
  expect(after.color).toBe('red')
  expect(after.pid).not.toBe(before.pid)
  await must(project, 'instance', 'unset', 'a', 'COLOR')
  expect((await ask()).color).toBeNull()
})

it('or when it is next restarted, with --no-restart', async () => {
  const { project, ask } = await setUp()
  const before = await ask()
  expect(await must(project, 'instance', 'set', 'a', 'COLOR=red', '--no-restart')).toContain(
    'mux instance restart a',
  )
  expect(await ask()).toEqual(before)
  await must(project, 'instance', 'restart', 'a')
  expect((await ask()).color).toBe('red')
})

it('one that does not run is not started for it, and has them when it starts', async () => {
  const { project, ask } = await setUp()
  await must(project, 'instance', 'set', 'a', 'COLOR=red')
  const { instances } = await project.status()
  expect(instances.find(({ name }) => name === 'a')).toMatchObject({ state: 'stopped' })
  expect((await ask()).color).toBe('red')
})

it.each(['overlap', 'replace'])(
  'settings with which it does not start are put back, with 1 and the end of its log (restart: %s)',
  async (strategy) => {
    const { project, ask } = await setUp(TWO_INSTANCES.replace('app:', `app:\n  restart: ${strategy}`))
    await must(project, 'instance', 'set', 'a', 'COLOR=red')
    await ask()
    const yaml = await project.read('mux.yaml')
    const { code, stdout } = await project.mux(
      'instance',
      'set',
      'a',
      'BROKEN=no such color',
      'COLOR=blue',
      '--json',
    )
    expect(code).toBe(1)
    const { error } = JSON.parse(stdout) as { error: { code: string; details: string[] } }
    expect(error.code).toBe('instance_failed')
    expect(error.details.join('\n')).toContain('cannot start: no such color')
    expect(await project.read('mux.yaml')).toBe(yaml)
    expect((await ask()).color).toBe('red')
  },
)

it('a new person with a new instance can use it with the next request, and is gone with the next after that', async () => {
  const { project, ask } = await setUp()
  await ask()
  const stdout = await must(
    project,
    'user',
    'add',
    'dora',
    '--instance',
    'd',
    '--create',
    '--generate',
    '--json',
  )
  expect(JSON.parse(stdout)).toMatchObject({ instance: 'd', instanceCreated: true, supervisor: 'told' })
  await must(project, 'instance', 'start', 'd')
  const running = (await project.status()).instances.find(({ name }) => name === 'd')!
  await must(project, 'user', 'remove', 'dora', '--with-instance', '--yes')
  expect(existsSync(join('/proc', String(running.generation!.pid)))).toBe(false)
  expect((await project.status()).instances.map(({ name }) => name)).toEqual(['a', 'b'])
})

/** A change with which `a` does not start; it ends when it is told to, so that something can happen meanwhile. */
async function brokenChange(project: TestProject) {
  const go = join(project.directory, 'go')
  rmSync(go, { force: true })
  const set = project.start({}, 'instance', 'set', 'a', 'BROKEN=no such color', `UNTIL=${go}`)
  while (!(await project.status()).instances.some(({ generation }) => generation?.outdated))
    await new Promise((resolve) => setTimeout(resolve, 20))
  return { ...set, go: () => writeFileSync(go, '') }
}

it('what does not start is put back beside what somebody else writes meanwhile, but never over it', async () => {
  const { project, ask } = await setUp()
  await ask()
  const first = await brokenChange(project)
  await must(project, 'instance', 'set', 'b', 'COLOR=blue')
  first.go()
  expect(await first.ended).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the old ones are back'),
  })
  const yaml = TWO_INSTANCES.replace('  b: {}', '  b:\n    settings:\n      COLOR: blue')
  expect(await project.read('mux.yaml')).toBe(yaml)

  const second = await brokenChange(project)
  await must(project, 'instance', 'set', 'a', 'COLOR=red', '--no-restart')
  second.go()
  expect(await second.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('they stay') })
  expect(await project.read('mux.yaml')).toMatch(/BROKEN: no such color\n.*\n {6}COLOR: red\n/)
})

it('a mux.yaml that somebody is in the middle of does not hide why an instance did not start', async () => {
  const { project, ask } = await setUp()
  await ask()
  const change = await brokenChange(project)
  await project.write('mux.yaml', 'app: [')
  change.go()
  expect(await change.ended).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('cannot start: no such'),
  })
})

it('Ctrl-C while a change is taken ends with 130, and says what is not known', async () => {
  const { project, ask } = await setUp()
  const before = await ask()
  const change = await brokenChange(project)
  change.child.kill('SIGINT')
  const { code, stderr } = await change.ended
  expect(code).toBe(130)
  expect(stderr).toMatch(
    /Interrupted: .* in mux\.yaml; whether a has taken them is not known\. \[interrupted\]/,
  )
  expect(stderr).toContain('mux status a')
  change.go()
  expect((await ask()).pid).toBe(before.pid)
  await must(project, 'instance', 'rollback', 'a')
  expect(await project.read('mux.yaml')).toBe(TWO_INSTANCES)
})

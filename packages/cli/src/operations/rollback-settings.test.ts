import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { addUser, createProject, isRunning, type TestProject, TWO_INSTANCES } from '../fixtures/mux.ts'
import { runMux } from '../fixtures/run-mux.ts'

/** `a` says something of itself, with comments; nothing of it is to get lost. */
const YAML = `${TWO_INSTANCES.replace(
  '  a: {}\n',
  `  # the first
  a:
    limits: { start: 59s }   # it is quick
    settings:
      COLOR: red   # as it was
`,
)}  # the last\n`

async function setUp(yaml = YAML) {
  const project = await createProject(yaml)
  onTestFinished(() => project.remove())
  const { url } = await project.up()
  const headers = await addUser(project, 'brian', 'a')
  const ask = async () =>
    (await fetch(url, { headers })).json() as Promise<{ pid: number; color: string | null }>
  const state = async () => (await project.status()).instances.find(({ name }) => name === 'a')!.state
  return { project, ask, state }
}

async function rollback(project: TestProject) {
  const { code, stdout } = await project.mux('instance', 'rollback', 'a', '--json')
  return { code, ...(JSON.parse(stdout) as { changed: string[]; error: { code: string } }) }
}

it('set --keep leaves what does not start in mux.yaml while the old serves, and rollback takes it back', async () => {
  const { project, ask, state } = await setUp()
  const before = await ask()
  const kept = await project.mux('instance', 'set', 'a', 'BROKEN=no disk', 'COLOR=blue', '--keep')
  expect(kept).toMatchObject({ code: 1, stdout: '' })
  expect(kept.stderr).toContain('They stay in mux.yaml, and it serves on with those before.')
  expect(kept.stderr).toContain('cannot start: no disk')
  expect(kept.stderr).toMatch(/It exited with code 3 .* To go back: mux instance rollback a$/m)
  expect(await project.read('mux.yaml')).toContain('BROKEN: no disk')
  expect([await ask(), await state()]).toEqual([before, 'degraded'])

  const back = await project.mux('instance', 'rollback', 'a')
  expect(back).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Changed: settings.BROKEN, settings.COLOR.\nRestarted in '),
  })
  expect(await project.read('mux.yaml')).toBe(YAML)
  expect([(await ask()).color, await state()]).toEqual(['red', 'ready'])
  expect(await isRunning(before.pid)).toBe(false)
})

it('a change with which it became ready is taken back to the one before, and a second rollback comes back', async () => {
  const { project, ask } = await setUp()
  await ask()
  await project.mux('instance', 'set', 'a', 'COLOR=blue')
  expect(await rollback(project)).toMatchObject({ code: 0, changed: ['settings.COLOR'] })
  expect(await project.read('mux.yaml')).toBe(YAML)
  expect((await ask()).color).toBe('red')
  expect(await rollback(project)).toMatchObject({ code: 0, changed: ['settings.COLOR'] })
  expect((await ask()).color).toBe('blue')
})

it('an edit by hand is taken back, be it one that mux.yaml cannot be used with, and what others wrote stays', async () => {
  const { project, ask } = await setUp()
  await ask()
  const edited = YAML.replace('limits: { start: 59s }', 'limits: { start: never, nonsense: 1 }')
  const others = (text: string) => text.replace('  b: {}', '  b: { idle: 5m } # by somebody else')
  await project.write('mux.yaml', others(edited))
  expect((await project.mux('instance', 'restart', 'a')).code).toBe(1)
  expect(await rollback(project)).toMatchObject({ code: 0, changed: ['limits.nonsense', 'limits.start'] })
  expect(await project.read('mux.yaml')).toBe(others(YAML))
  expect((await ask()).color).toBe('red')

  // What is wrong elsewhere is not for it to put right.
  await project.write('mux.yaml', `${edited}nonsense: 1\n`)
  expect(await rollback(project)).toMatchObject({ code: 1, error: { code: 'config_invalid' } })
  expect(await project.read('mux.yaml')).toBe(`${edited}nonsense: 1\n`)
})

it('the value of a secret comes back with it, and stands in no output', async () => {
  const { project, ask } = await setUp()
  const secret = (value: string, ...args: string[]) =>
    runMux(['instance', 'set', 'a', '--secret', 'COLOR', ...args], {
      cwd: project.directory,
      input: `${value}\n`,
    })
  await ask()
  expect((await secret('planted-one')).code).toBe(0)
  expect((await secret('planted-two', 'BROKEN=1', '--keep')).code).toBe(1)
  const said = await project.mux('instance', 'rollback', 'a')
  expect(said).toMatchObject({ code: 0, stdout: expect.stringContaining('settings.BROKEN, settings.COLOR') })
  expect(said.stdout + said.stderr).not.toContain('planted')
  expect((await ask()).color).toBe('planted-one')
  const file = join(project.directory, '.mux/secrets/a.COLOR')
  expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['planted-one\n', 0o600])
  await project.mux('instance', 'unset', 'a', 'COLOR')
  expect((await ask()).color).toBeNull()
  await rollback(project)
  expect((await ask()).color).toBe('planted-one')
})

it('one that does not run has them when it starts; a rollback that fails leaves all as it was', async () => {
  const { project, ask } = await setUp()
  await ask()
  await project.mux('instance', 'set', 'a', 'COLOR=blue')
  await project.mux('instance', 'stop', 'a')
  expect(await rollback(project)).toMatchObject({ code: 0, restarted: null })
  await project.mux('instance', 'start', 'a')
  expect((await ask()).color).toBe('red')

  // With what comes from app, the settings before do not start any more.
  const broken = YAML.replace('WHERE:', 'BROKEN: 1, WHERE:').replace('COLOR: red', 'COLOR: green')
  await project.write('mux.yaml', broken)
  expect(await rollback(project)).toMatchObject({ code: 1, error: { code: 'instance_failed' } })
  expect(await project.read('mux.yaml')).toBe(broken)
  expect((await ask()).color).toBe('red')
})

it('what there is to go back to is listed by what would change, and any of it can be chosen', async () => {
  const { project, ask } = await setUp()
  await ask()
  for (const color of ['green', 'blue']) await project.mux('instance', 'set', 'a', `COLOR=${color}`)
  const list = async () =>
    (
      JSON.parse((await project.mux('instance', 'rollback', 'a', '--list', '--json')).stdout) as {
        settings: object[]
      }
    ).settings
  const kept = (number: number, changed: string[]) => ({
    number,
    readyAt: expect.stringMatching(/Z$/),
    changed,
  })
  expect(await list()).toEqual([kept(1, []), kept(2, ['settings.COLOR']), kept(3, ['settings.COLOR'])])
  expect(await project.mux('instance', 'rollback', 'a', '--to', '3')).toMatchObject({ code: 0 })
  expect((await ask()).color).toBe('red')
  for (const [to, why] of [
    ['1', 'has these settings already'],
    ['4', '3 settings are kept'],
  ])
    expect(await project.mux('instance', 'rollback', 'a', '--to', to!)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining(why!),
    })
  expect((await project.mux('instance', 'rollback', 'a', '--list')).stdout).toMatch(
    /^ *NO +READY FROM +WOULD CHANGE\n +1 +\S+ \S+Z +nothing: it has these\n +2 .*Z +settings\.COLOR\n/,
  )
})

it('what is kept although nothing serves is said to serve nobody', async () => {
  const { project } = await setUp(YAML.replace('b: {}', 'b: { settings: { BROKEN: no disk } }'))
  await project.mux('instance', 'start', 'b')
  expect(await project.mux('instance', 'set', 'b', 'COLOR=blue', '--keep')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('They stay in mux.yaml, and nothing serves its users.'),
  })
})

it('what became ready before its supervisor was killed can be gone back to under the next', async () => {
  const project = await createProject(YAML)
  onTestFinished(() => project.remove())
  const first = await project.up()
  await project.mux('instance', 'start', 'a')
  first.child.kill('SIGKILL')
  await first.ended
  await project.up()
  const served = (await project.status()).instances[0]!.generation!.pid
  await project.mux('instance', 'set', 'a', 'BROKEN=no disk', '--keep')
  expect(await rollback(project)).toMatchObject({
    code: 0,
    changed: ['settings.BROKEN'],
    restarted: { oldPid: served },
  })
  expect(await project.read('mux.yaml')).toBe(YAML)
})

it('where there is nothing to go back to it is a conflict, and of an instance that was removed nothing is left', async () => {
  const { project, ask } = await setUp()
  expect(await rollback(project)).toMatchObject({ code: 4, error: { code: 'nothing_to_restore' } })
  await ask()
  expect(await rollback(project)).toMatchObject({ code: 4, error: { code: 'nothing_to_restore' } })
  expect(await project.mux('instance', 'rollback', 'c')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('There are: a, b.'),
  })
  const file = join(project.directory, '.mux/secrets/.history/a.json')
  expect(existsSync(file)).toBe(true)
  await project.mux('user', 'remove', 'brian', '--with-instance', '--yes')
  expect(existsSync(file)).toBe(false)
})

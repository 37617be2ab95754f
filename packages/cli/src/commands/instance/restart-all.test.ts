import { afterEach, expect, it } from 'vitest'
import { sendOrder } from '../../control-client.ts'
import { createProject, type TestProject, TWO_INSTANCES } from '../../fixtures/mux.ts'
import { instanceName } from '../../names.ts'
import { projectAt } from '../../project.ts'

const FOUR_INSTANCES = `${TWO_INSTANCES}  c: {}\n  d: {}\n`
/** The first ends when it is let, so that a roll is still under way when it is interrupted. */
const LINGERING = FOUR_INSTANCES.replace('a: {}', 'a: { settings: { LINGERS: "{data}/go" } }')

let project: TestProject
afterEach(() => project.remove())

/** Four instances, of which three run. */
async function setUp(yaml: string): Promise<void> {
  project = await createProject(yaml)
  await project.up()
  const { controlSocket } = projectAt(project.directory).state
  const start = (name: string) =>
    sendOrder(controlSocket, { op: 'start', instance: instanceName(name) }, 60_000)
  await Promise.all(['a', 'b', 'c'].map(start))
}

async function pids(): Promise<Record<string, number | null>> {
  const { instances } = await project.status()
  return Object.fromEntries(instances.map(({ name, generation }) => [name, generation?.pid ?? null]))
}

interface Report {
  instances: { instance: string; outcome: string; oldPid: number; newPid: number }[]
  error: object
}

it('mux instance restart --all gives all that run a new process, says which, and starts nothing', async () => {
  await setUp(FOUR_INSTANCES)
  const before = await pids()
  const { code, stdout } = await project.mux('instance', 'restart', '--all', '--parallel', '2', '--json')
  const after = await pids()
  expect(code).toBe(0)
  expect((JSON.parse(stdout) as Report).instances).toEqual(
    ['a', 'b', 'c'].map((name) => ({
      instance: name,
      outcome: 'restarted',
      oldPid: before[name],
      newPid: after[name],
      drained: 0,
      took: expect.any(Number),
    })),
  )
  expect(new Set([...Object.values(before), ...Object.values(after)]).size).toBe(7)
  expect(after['d']).toBeNull()

  const two = await project.mux('instance', 'restart', 'c', 'd')
  expect(two).toMatchObject({ code: 0, stderr: '' })
  expect(two.stdout).toMatch(/^c has a new process: .*\nd was not running, and is now: process \d+.*\n$/)
})

it('the first that fails ends it with 1; the others are told, and have the process that they had', async () => {
  await setUp(FOUR_INSTANCES)
  const before = await pids()
  await project.write('mux.yaml', FOUR_INSTANCES.replace('b: {}', 'b: { settings: { BROKEN: no disk } }'))
  const { code, stdout } = await project.mux('instance', 'restart', '--all', '--json')
  const after = await pids()
  expect(code).toBe(1)
  const report = JSON.parse(stdout) as Report
  expect(report.instances.map(({ outcome }) => outcome)).toEqual(['restarted', 'failed', 'untouched'])
  expect(report.error).toMatchObject({
    code: 'instance_failed',
    message: expect.stringMatching(/^The restart of b failed: .* Left alone: c\.$/),
    details: ['cannot start: no disk'],
  })
  expect(after).toEqual({ ...before, a: report.instances[0]!.newPid })
  const said = await project.mux('instance', 'restart', '--all')
  expect((said.stdout + said.stderr).match(/It exited with code 3/g)).toHaveLength(1)
})

it('Ctrl-C ends it with 130, after what is under way and before the rest', async () => {
  await setUp(LINGERING)
  await project.write('mux.yaml', FOUR_INSTANCES)
  const before = await pids()
  const command = project.start({}, 'instance', 'restart', '--all')
  await expect.poll(async () => (await project.status()).instances[0]!.generation?.number).toBe(2)
  command.child.kill('SIGINT')
  await expect.poll(() => command.said.stderr).toContain('What is under way ends first.')
  await project.write('.mux/data/a/go', '')
  expect(await command.ended).toMatchObject({
    code: 130,
    stdout: expect.stringMatching(/^a has a new process: .*\n$/),
    stderr: expect.stringMatching(/Left alone: b, c\. \[interrupted\]\n$/),
  })
  const { a, ...others } = await pids()
  expect(a).not.toBe(before['a'])
  expect({ a: before['a'], ...others }).toEqual(before)
})

it('without a supervisor it ends with 5, and with nothing to do or no name it says so', async () => {
  project = await createProject()
  expect((await project.mux('instance', 'restart', '--all')).code).toBe(5)
  expect((await project.mux('instance', 'restart')).code).toBe(2)
  expect((await project.mux('instance', 'restart', 'a', '--all')).code).toBe(2)
  await project.up()
  expect(await project.mux('instance', 'restart', '--all')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('nothing to restart'),
  })
})

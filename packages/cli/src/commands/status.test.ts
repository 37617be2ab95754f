import { afterEach, expect, it } from 'vitest'
import { addUser, createProject, type TestProject, TWO_INSTANCES } from '../fixtures/mux.ts'

let project: TestProject
afterEach(() => project.remove())

it('mux status shows each instance, its process and its users, and one of them in detail', async () => {
  project = await createProject()
  const { url, pid } = await project.up()
  await addUser(project, 'graham', 'a')
  await project.mux('instance', 'start', 'a')
  const instance = (await project.status()).instances[0]!.generation!.pid

  const all = await project.mux('status')
  expect(all).toMatchObject({ code: 0, stderr: '' })
  expect(all.stdout).toContain(`mux serves ${url}\nprocess ${pid}, up `)
  expect(all.stdout).toMatch(new RegExp(`^a +ready +${instance} +\\d+[sm] +0 +0 +- +- +graham$`, 'm'))
  expect(all.stdout).toMatch(/^b +stopped +- +- +0 +0 +- +- +-$/m)
  expect(Math.max(...all.stdout.split('\n').map((line) => line.length))).toBeLessThan(80)

  const one = await project.mux('status', 'a')
  expect(one.stdout).toMatch(new RegExp(`^process +${instance}, generation 1, unix:/`, 'm'))
  expect(one.stdout).toMatch(/^users +graham$/m)
  expect(one.stdout).toMatch(/^\d\d:\d\d:\d\dZ +process \d+ started, generation 1$/m)
  expect(one.stdout).toMatch(/^\d\d:\d\d:\d\dZ +generation 1 was ready after \d+ ms$/m)
  expect(one.stdout).toMatch(/^\d\d:\d\d:\d\dZ +starting, then ready$/m)
  const json = JSON.parse((await project.mux('status', 'a', '--json')).stdout) as object
  expect(json).toMatchObject({ url, pid, instances: [{ name: 'a', state: 'ready', users: ['graham'] }] })
  expect(json).toHaveProperty(
    'instances.0.events.1',
    expect.objectContaining({ event: 'started', instance: 'a' }),
  )
})

it('mux status begins with what somebody has to see to: why, and the command that is next', async () => {
  project = await createProject(TWO_INSTANCES.replace('b: {}', 'b: { settings: { BROKEN: no disk } }'))
  await project.up()
  await project.mux('instance', 'stop', 'a', '--message', 'Back at noon.')
  await project.mux('instance', 'start', 'b')
  const { stdout } = await project.mux('status')
  expect(stdout).toMatch(
    /running\n\nb +It exited with code 3 .*\n +mux instance logs b\na +Kept stopped\. Back at noon\.\n +mux instance start a\n\nINSTANCE/,
  )
  const one = await project.mux('status', 'b')
  expect(one.stdout).toContain('The end of its log:\n  cannot start: no disk\n')
  expect(JSON.parse((await project.mux('status', 'b', '--json')).stdout)).toHaveProperty(
    'instances.0.log.0',
    'cannot start: no disk',
  )
  expect((await project.mux('instance', 'show', 'b')).stdout).toMatch(/^reason +It exited with code 3/m)
  const list = JSON.parse((await project.mux('instance', 'list', '--json')).stdout) as {
    instances: { state: string; status: { state: string } }[]
  }
  expect(list.instances.map(({ state, status }) => [state, status.state])).toEqual([
    ['maintenance', 'disabled'],
    ['open', expect.stringMatching(/failed|starting/)],
  ])
})

it('mux status of an instance that mux does not run names those that it runs', async () => {
  project = await createProject()
  await project.up()
  const none = await project.mux('status', 'c')
  expect(none).toMatchObject({ code: 3, stderr: expect.stringContaining('a, b') })
  expect((await project.mux('status', '../c')).code).toBe(2)
})

it('mux status says at once that nothing runs and how to start it, to people and to programs', async () => {
  project = await createProject()
  expect(await project.mux('status')).toMatchObject({
    code: 5,
    stdout: '',
    stderr: expect.stringContaining('mux up'),
  })
  const { code, stdout } = await project.mux('status', '--json')
  expect(code).toBe(5)
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'not_running' } })
})

it('mux status gives up on a supervisor that hangs', async () => {
  project = await createProject()
  const { child } = await project.up()
  child.kill('SIGSTOP')
  const began = performance.now()
  const status = await project.mux('status')
  // 1.5 s of patience, and the start of a process on a busy machine.
  expect(performance.now() - began).toBeLessThan(20_000)
  expect(status).toMatchObject({ code: 5, stderr: expect.stringContaining('did not answer within 1.5 s') })
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addUser, createProject, isRunning, type TestProject, TWO_INSTANCES } from '../../fixtures/mux.ts'

let project: TestProject
beforeEach(async () => {
  project = await createProject()
})
afterEach(() => project.remove())

interface Answer {
  pid: number
  color: string | null
}

async function ask(url: string, headers: Record<string, string>): Promise<Answer> {
  const answer = await fetch(url, { headers })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Answer
}

describe('mux instance restart', () => {
  it('replaces one process by one with the settings of now, and says which', async () => {
    const { url } = await project.up()
    const graham = await addUser(project, 'graham', 'a')
    const brian = await addUser(project, 'brian', 'b')
    const [before, other] = [await ask(url, graham), await ask(url, brian)]
    expect(before.color).toBe(null)
    await project.write('mux.yaml', TWO_INSTANCES.replace('a: {}', 'a: { settings: { COLOR: red } }'))

    const { code, stdout } = await project.mux('instance', 'restart', 'a')
    const after = await ask(url, graham)
    expect(code).toBe(0)
    expect(stdout).toContain(`${before.pid} -> ${after.pid}`)
    expect(after.color).toBe('red')
    expect(await isRunning(before.pid)).toBe(false)
    expect(await ask(url, brian)).toEqual(other)
  })

  it('that fails shows why, and leaves what ran', async () => {
    const { url } = await project.up()
    const graham = await addUser(project, 'graham', 'a')
    const before = await ask(url, graham)
    await project.write('mux.yaml', TWO_INSTANCES.replace('a: {}', 'a: { settings: { BROKEN: no disk } }'))
    const failed = await project.mux('instance', 'restart', 'a')
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(failed.stderr).toContain('instance_failed')
    expect(failed.stderr).toContain('cannot start: no disk')
    expect(failed.stderr).toContain('mux instance logs a')
    expect((await ask(url, graham)).pid).toBe(before.pid)
  })

  it('with a mux.yaml that is broken changes nothing, and names the line', async () => {
    const { url } = await project.up()
    const graham = await addUser(project, 'graham', 'a')
    const before = await ask(url, graham)
    await project.write('mux.yaml', `${TWO_INSTANCES}nonsense: 1\n`)
    const failed = await project.mux('instance', 'restart', 'a')
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('"nonsense"') })
    expect((await ask(url, graham)).pid).toBe(before.pid)
    // What runs can still be stopped.
    expect((await project.mux('instance', 'stop', 'a')).code).toBe(0)
    expect(await isRunning(before.pid)).toBe(false)
  })

  it('of one that does not run starts it', async () => {
    await project.up()
    expect(await project.mux('instance', 'restart', 'a')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^a was not running, and is now: process \d+/),
    })
  })
})

describe('mux instance stop and start', () => {
  it('stop keeps it stopped across a restart of mux and tells its users why, until start', async () => {
    const first = await project.up()
    const graham = await addUser(project, 'graham', 'a')
    const { pid } = await ask(first.url, graham)
    expect((await project.mux('instance', 'stop', 'a', '--message', 'Back at noon.')).code).toBe(0)
    expect(await isRunning(pid)).toBe(false)
    const closed = await fetch(first.url, { headers: graham })
    expect(closed.status).toBe(503)
    expect(await closed.json()).toMatchObject({ code: 'instance_stopped', detail: 'Back at noon.' })
    expect(await project.mux('instance', 'restart', 'a')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('mux instance start a'),
    })

    first.child.kill('SIGTERM')
    await first.ended
    const second = await project.up()
    expect((await fetch(second.url, { headers: graham })).status).toBe(503)
    expect(await project.mux('instance', 'start', 'a')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('a is ready'),
    })
    await ask(second.url, graham)
  })

  it('both are remembered while nothing runs; only start says that it could not be done yet', async () => {
    expect(await project.mux('instance', 'stop', 'a')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('will stay stopped'),
    })
    const { url } = await project.up()
    const graham = await addUser(project, 'graham', 'a')
    expect((await fetch(url, { headers: graham })).status).toBe(503)
    await project.mux('down')
    expect(await project.mux('instance', 'start', 'a')).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('mux up'),
    })
    await ask((await project.up()).url, graham)
  })

  it('a start that fails shows the end of the log', async () => {
    await project.write('mux.yaml', TWO_INSTANCES.replace('a: {}', 'a: { settings: { BROKEN: no disk } }'))
    await project.up()
    const failed = await project.mux('instance', 'start', 'a', '--json')
    expect(failed.code).toBe(1)
    expect(JSON.parse(failed.stdout)).toMatchObject({
      error: { code: 'instance_failed', details: ['cannot start: no disk'] },
    })
  })
})

it.each(['start', 'stop', 'restart', 'logs'])(
  'mux instance %s of an unknown instance names those there are',
  async (verb) => {
    const unknown = await project.mux('instance', verb, 'c')
    expect(unknown).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('a, b') })
  },
)

it('mux instance stop of what cannot be a name, or with a message too long to keep, is wrong usage', async () => {
  expect((await project.mux('instance', 'stop', 'a/b')).code).toBe(2)
  expect((await project.mux('instance', 'stop', 'a', '--message', 'x'.repeat(501))).code).toBe(2)
})

it('mux instance start without a supervisor ends with 5, and the instance is open again all the same', async () => {
  await project.mux('instance', 'stop', 'a')
  expect(await project.mux('instance', 'start', 'a')).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('Once it is, a serves.'),
  })
  const { stdout } = await project.mux('instance', 'show', 'a', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ state: 'open' })
})

it('mux instance restart without a supervisor says how to start it', async () => {
  expect(await project.mux('instance', 'restart', 'a')).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('mux up'),
  })
})

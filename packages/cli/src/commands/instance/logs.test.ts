import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { addUser, createProject, type TestProject } from '../../fixtures/mux.ts'

const OFTEN = { interval: 25 }

let project: TestProject
beforeEach(async () => {
  project = await createProject()
})
afterEach(() => project.remove())

it('mux instance logs shows the last lines while nothing runs, and nothing of them moves the terminal', async () => {
  await mkdir(join(project.directory, '.mux/logs'), { recursive: true })
  await project.write('.mux/logs/a.log', 'one\ntwo\n\u001b[2Jthree\n')
  expect(await project.mux('instance', 'logs', 'a', '--lines', '2')).toMatchObject({
    code: 0,
    stdout: 'two\n\\x1b[2Jthree\n',
    stderr: '',
  })
  const { stdout } = await project.mux('instance', 'logs', 'a', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ instance: 'a', lines: ['one', 'two', '\u001b[2Jthree'] })
})

it('one that has not written anything says so, and succeeds', async () => {
  const silence = { code: 0, stdout: '', stderr: expect.stringContaining('has not written anything') }
  expect(await project.mux('instance', 'logs', 'a')).toMatchObject(silence)
  await mkdir(join(project.directory, '.mux/logs'), { recursive: true })
  await project.write('.mux/logs/a.log', '')
  expect(await project.mux('instance', 'logs', 'a')).toMatchObject(silence)
})

it('mux instance logs --follow shows what is written, across a new file, until it is interrupted', async () => {
  const { url } = await project.up()
  const graham = await addUser(project, 'graham', 'a')
  // The command and the first line begin at once; whichever is earlier, the line is shown.
  const follow = project.start({}, 'instance', 'logs', 'a', '--follow', '--lines', '1')
  await fetch(`${url}/say`, { headers: { ...graham, 'x-say': 'first' } })
  await expect.poll(() => follow.said.stdout, OFTEN).toBe('first\n')
  const log = join(project.directory, '.mux/logs/a.log')
  await rename(log, `${log}.1`)
  await fetch(`${url}/say`, { headers: { ...graham, 'x-say': 'to the old file' } })
  await project.mux('instance', 'restart', 'a')
  await fetch(`${url}/say`, { headers: { ...graham, 'x-say': 'to the new file' } })
  await expect.poll(() => follow.said.stdout, OFTEN).toBe('first\nto the old file\nto the new file\n')
  follow.child.kill('SIGINT')
  expect((await follow.ended).code).toBe(0)
})

it('mux instance logs --follow ends when nobody reads it any more', async () => {
  await mkdir(join(project.directory, '.mux/logs'), { recursive: true })
  await project.write('.mux/logs/a.log', 'x'.repeat(1_000_000))
  const follow = project.start({}, 'instance', 'logs', 'a', '--follow')
  follow.child.stdout!.destroy()
  const { code, stderr } = await follow.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

it('one JSON document cannot follow a log', async () => {
  expect((await project.mux('instance', 'logs', 'a', '--follow', '--json')).code).toBe(2)
})

import { createServer } from 'node:net'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { addUser, createProject, firstMatch, isRunning, type TestProject } from '../fixtures/mux.ts'

let project: TestProject
beforeEach(async () => {
  project = await createProject()
})
afterEach(() => project.remove())

/** Starts it, and waits until it says where it serves. */
async function dev() {
  const running = project.start({}, 'dev')
  return { ...running, url: await firstMatch(running, /The Worker serves (http:\S+)/) }
}

it('serves by the Worker what the project has, sees what commands change, and leaves nothing when it is ended', async () => {
  const brian = await addUser(project, 'brian', 'a')
  const running = await dev()
  const get = (headers: Record<string, string>) => fetch(running.url, { headers })
  const answer = await get(brian)
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ instance: 'a', user: 'brian' })
  expect((await get({})).status).toBe(401)

  const eric = await addUser(project, 'eric', 'b')
  await expect.poll(async () => (await get(eric)).status, { interval: 100 }).toBe(200)
  const { instances } = await project.status()
  const pids = instances.flatMap(({ generation }) => (generation === null ? [] : [generation.pid]))
  expect(pids).toHaveLength(2)

  running.child.kill('SIGINT')
  expect(await running.ended).toMatchObject({ code: 0 })
  for (const pid of pids) expect(await isRunning(pid)).toBe(false)
  await expect(get(brian)).rejects.toThrow('fetch failed')
  expect(running.said.stderr).not.toMatch(/ at \S+:\d+|event=not_ended/)
})

it('does not take the place of a mux that runs, or of another program', async () => {
  const up = await project.up()
  const beside = await project.mux('dev', '--json')
  expect(beside).toMatchObject({ code: 4 })
  expect(beside.json()).toMatchObject({ error: { code: 'already_running' } })
  up.child.kill('SIGINT')
  await up.ended

  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const taken = await project.mux('dev', '--listen', `127.0.0.1:${port}`)
  other.close()
  expect(taken).toMatchObject({ code: 4, stderr: expect.stringContaining('[address_in_use]') })
})

it('is for this machine alone, and for no project whose edge is at Cloudflare', async () => {
  const open = await project.mux('dev', '--listen', '0.0.0.0:0')
  expect(open).toMatchObject({ code: 6, stderr: expect.stringContaining('[plain_http_refused]') })
  await project.write('mux.yaml', `${await project.read('mux.yaml')}registry: kv\n`)
  for (const host of ['', 'host: { name: web1, origin: https://web1.example.com }\n']) {
    await project.write('mux.yaml', `${await project.read('mux.yaml')}${host}`)
    const live = await project.mux('dev')
    expect(live).toMatchObject({ code: 2, stderr: expect.stringContaining('its records would be changed') })
  }
})

import { spawnSync } from 'node:child_process'
import { chmod, readdir } from 'node:fs/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { filesBelow } from './harness/files.ts'
import { leave } from './harness/nothing-left.ts'
import { Project } from './harness/project.ts'
import { Running } from './harness/running.ts'

const GRAHAM = 61_006
const BRIAN = 61_007
const PROGRAM = `
import { createServer } from 'node:http'
import { writeFileSync } from 'node:fs'
writeFileSync(process.env.MUX_DATA + '/db', 'mine', { mode: 0o644 })
createServer(({ headers }, response) =>
  response.end(JSON.stringify({ uid: process.getuid(), pid: process.pid, user: headers['mux-user'] })),
).listen(process.env.MUX_SOCKET)
`

let project: Project
let running: Running | undefined

beforeEach((context) => {
  context.skip(process.getuid?.() !== 0, 'only root may start something as another user')
  const { status } = spawnSync(process.execPath, ['-e', ''], { uid: GRAHAM, gid: GRAHAM, cwd: '/' })
  context.skip(status !== 0, 'other users may not run the Node that runs these tests')
})

afterEach(async () => {
  await leave(project, running)
  running = undefined
})

/** What a user of the machine can read of all that there is below a directory, if it knows what to ask for. */
async function readableTo(uid: number, directory: string): Promise<string[]> {
  const paths = (await filesBelow(directory)).keys()
  const script = 'for path; do [ -r "$path" ] && echo "$path"; done; true'
  const options = { uid, gid: uid, cwd: directory, encoding: 'utf8' } as const
  const { stdout } = spawnSync('sh', ['-c', script, 'sh', ...paths], options)
  return stdout.split('\n').filter(Boolean).toSorted()
}

it('instances with users of their own serve theirs, whatever an operator does, and over the death of mux', async () => {
  project = await Project.create(`
app:
  command: ${JSON.stringify([process.execPath, 'site.mjs', '{socket}'])}
edge: { listen: "127.0.0.1:0" }
instances:
  django1: { user: "${GRAHAM}", group: "${GRAHAM}", limits: { memory: 1GiB } }
  django2: { user: "${BRIAN}", group: "${BRIAN}", nice: 1 }
`)
  await chmod(project.directory, 0o711)
  await project.write('site.mjs', PROGRAM)
  running = await Running.up(project)
  await project.addUser('graham', 'django1')
  await project.addUser('brian', 'django2')
  const identities = () =>
    Promise.all(['graham', 'brian'].map(async (user) => (await ask(running!.url, '/', { user })).json()))
  const before = await identities()
  expect(before).toMatchObject([
    { uid: GRAHAM, user: 'graham' },
    { uid: BRIAN, user: 'brian' },
  ])
  await project.must(['instance', 'set', 'django2', 'COLOUR=blue'])
  await project.must(['user', 'list'])
  expect(await readableTo(GRAHAM, project.path('.mux'))).toEqual([
    'data/django1',
    'data/django1/db',
    expect.stringMatching(/^sockets\/django1\.1\.[0-9a-f]{8}$/),
    expect.stringMatching(/^sockets\/django1\.1\.[0-9a-f]{8}\/sock$/),
  ])

  await running.stop('SIGKILL')
  running = await Running.up(project)
  const after = await identities()
  expect(after[0]).toEqual(before[0])
  expect(after[1]).toMatchObject({ uid: BRIAN, user: 'brian' })
  await running.stop()
  expect(await readdir(project.path('.mux/sockets'))).toEqual([])
})

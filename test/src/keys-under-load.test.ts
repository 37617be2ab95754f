import { afterEach, describe, expect, it } from 'vitest'
import { randomBytes } from 'node:crypto'
import { deriveHostKey } from '@mux/instance'
import { ask } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { startHost } from './harness/host.ts'
import { expectWhole, Load, printTally } from './harness/load.ts'
import { leave } from './harness/nothing-left.ts'
import { Project } from './harness/project.ts'
import { readRecords } from './harness/registry.ts'
import { Running } from './harness/running.ts'
import { signIn } from './harness/sign-in.ts'
import { startWorkerd, type Workerd } from './harness/workerd.ts'

const USERS = { graham: 'django1', brian: 'django2' }
const REQUESTS = 2_500

let ends: (() => unknown)[] = []
afterEach(async () => {
  const now = ends.toReversed()
  ends = []
  for (const end of now) await end()
})

async function newProject(): Promise<Project> {
  return Project.create(echoYaml('{ django1: {}, django2: {} }', { fixture: 'ledger.mjs' }))
}

describe('a key that is changed under load', () => {
  it('of sessions signs nobody out, until the old one is retired', async () => {
    const project = await newProject()
    const running = await Running.up(project)
    ends.push(() => leave(project, running))
    for (const [user, instance] of Object.entries(USERS)) await project.addUser(user, instance)
    const cookieOf = async (username: string) => (await signIn(running.url, { username })).cookie
    const statusOf = async (cookie: string) =>
      (await ask(running.url, '/_mux/session', { headers: { cookie } })).status
    const first = { graham: await cookieOf('graham'), brian: await cookieOf('brian') }
    const load = new Load(running.url, USERS, { keepAlive: true, requests: REQUESTS, cookies: first })
    ends.push(() => load.kill())

    await load.reached(REQUESTS / 4)
    await project.must(['key', 'rotate'])
    const second = await cookieOf('brian')
    await load.reached(REQUESTS / 2)
    await project.must(['key', 'rotate'])
    const third = await cookieOf('brian')
    const tally = await load.end(project)
    printTally('key of sessions changed twice under load', tally)
    expectWhole(tally, REQUESTS)
    expect(await Promise.all([first.brian, second, third].map(statusOf))).toEqual([200, 200, 200])

    await project.must(['key', 'retire', '--yes'])
    expect(await Promise.all([first.brian, first.graham, second, third].map(statusOf))).toEqual([
      401, 401, 401, 200,
    ])
  })

  it('of an edge costs no request while its host takes both, and is refused when the old one is retired', async () => {
    const project = await newProject()
    const host = await startHost(project)
    ends.push(() => leave(project, host.running))
    for (const [user, instance] of Object.entries(USERS)) await project.addUser(user, instance)
    const next = randomBytes(32)
    const [before, after] = await Promise.all([host.edgeKey, next].map((key) => workerFor(project, key)))
    const keys = Buffer.concat([deriveHostKey(next, host.name), randomBytes(32)])
    const joinKey = `muxhost_${keys.toString('base64url')}`
    const status = async (url: string) => (await ask(url, '/', { user: 'brian' })).status
    expect(await status(after!.url)).toBe(403)

    // As a deployment does it: for a while isolates with the old key and with the new one serve side by side.
    const old = new Load(before!.url, USERS, { keepAlive: true, requests: REQUESTS })
    ends.push(() => old.kill())
    await old.reached(REQUESTS / 4)
    const where = ['--origin', host.url, '--listen', new URL(host.url).host]
    await project.must(['host', 'join', host.name, ...where, '--key-stdin'], { input: joinKey })
    const young = new Load(after!.url, USERS, { keepAlive: true, requests: REQUESTS })
    ends.push(() => young.kill())
    await young.reached(REQUESTS / 4)
    const last = await old.end(project)
    await project.must(['key', 'retire', '--host', host.name, '--yes'])
    const tally = await young.end(project)

    printTally('edge with the key of before', last)
    printTally('edge with the next key', tally)
    expectWhole(last, REQUESTS)
    expectWhole(tally, REQUESTS)
    const refused = await ask(before!.url, '/', { user: 'brian' })
    expect([refused.status, refused.json().code]).toEqual([403, 'assertion_invalid'])
    expect(await status(after!.url)).toBe(200)
  })
})

async function workerFor(project: Project, edgeKey: Buffer): Promise<Workerd> {
  const worker = await startWorkerd(edgeKey)
  ends.push(() => worker.close())
  for (const [key, value] of readRecords(project)) await worker.registry.put(key, value)
  return worker
}

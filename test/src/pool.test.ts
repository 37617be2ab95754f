import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import WebSocket from 'ws'
import { ask, open } from './harness/client.ts'
import { CommandLines } from './harness/command-lines.ts'
import { echoYaml } from './harness/echo.ts'
import { expectWhole, Load, printTally } from './harness/load.ts'
import { leave } from './harness/nothing-left.ts'
import { processesOf } from './harness/processes.ts'
import { basic, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { until } from './harness/until.ts'

/** At least so many: the load goes on until all have been restarted. */
const REQUESTS = 5_000

let project: Project
let running: Running
let load: Load | undefined
let orders: CommandLines | undefined

/** Serves each of the users from the instance that is named after them. */
async function up(
  users: string[],
  { max, fixture = 'echo.mjs', own = '' }: { max: number; fixture?: string; own?: string },
) {
  const instances = users.map((user) => `${user}: { ${own} }`).join(', ')
  project = await Project.create(echoYaml(`{ ${instances} }`, { fixture }).replace('max: 8', `max: ${max}`))
  running = await Running.up(project)
  await Promise.all(users.map((user) => project.addUser(user, user)))
}

afterEach(async () => {
  load?.kill()
  orders?.end()
  load = orders = undefined
  await leave(project, running)
})

async function present(): Promise<string[]> {
  return [...new Set((await processesOf(project)).map(({ instance }) => instance))].sort()
}

it('at pool.max a busy instance is never stopped: the next is told when to come back, and is served once one is idle', async () => {
  await up(['ann', 'bob', 'cyd'], { max: 2 })
  const socket = new WebSocket(`${running.url.replace('http', 'ws')}/ws`, {
    headers: { authorization: basic('ann') },
  })
  await once(socket, 'message')
  const stream = await open(running.url, '/sse/100000', { user: 'bob' })
  for (let n = 0; n < 5; n++) {
    const refused = await ask(running.url, '/', { user: 'cyd' })
    expect([refused.status, refused.json().code]).toEqual([503, 'instance_busy'])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  }
  expect(await present()).toEqual(['ann', 'bob'])
  expect(socket.readyState).toBe(WebSocket.OPEN)

  stream.destroy()
  await until('a place', async () =>
    (await ask(running.url, '/', { user: 'cyd' })).status === 200 ? true : undefined,
  )
  expect(await present()).toEqual(['ann', 'cyd'])
  socket.send('still there')
  expect(String((await once(socket, 'message'))[0])).toBe('still there')
  socket.close()
})

it('an instance with an open socket, a stream, an upload or a request under way is not idle, however quiet that is', async () => {
  await up(['ann', 'bob', 'cyd', 'dan', 'eve'], { max: 8, own: 'idle: 300ms' })
  const { hostname, port } = new URL(running.url)
  const socket = new WebSocket(`${running.url.replace('http', 'ws')}/ws`, {
    headers: { authorization: basic('ann') },
  })
  const stream = await open(running.url, '/sse/100000', { user: 'bob' })
  const raw = (user: string, head: string) => {
    const client = connect(Number(port), hostname)
    client.write(`${head}\r\nHost: ${hostname}\r\nAuthorization: ${basic(user)}\r\n`)
    return client
  }
  const upload = raw('cyd', 'POST /hash HTTP/1.1')
  upload.write('Content-Length: 10\r\n\r\nhalf ')
  const request = raw('dan', 'GET /hang HTTP/1.1')
  request.write('\r\n')
  await ask(running.url, '/', { user: 'eve' })
  await until('all but the last', async () => {
    const found = await present()
    return found.length === 4 && !found.includes('eve') ? true : undefined
  })
  const before = await processesOf(project)
  await wait(1_500)
  expect(await processesOf(project)).toEqual(before)

  socket.close()
  stream.destroy()
  upload.write('whole')
  expect(String((await once(upload, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /)
  upload.destroy()
  request.destroy()
  await until('the end of all', async () => ((await present()).length === 0 ? true : undefined))
})

it('mux instance restart --all of ten instances at pool.max loses no request, and runs one process more than pool.max at most', async () => {
  const users = Array.from({ length: 10 }, (_, n) => `user${n}`)
  await up(users, { max: users.length, fixture: 'ledger.mjs' })
  orders = await CommandLines.start(project)
  // One after the other: what ten boots at once cost is not what is measured.
  for (const user of users) await ask(running.url, '/', { user })
  const instances = Object.fromEntries(users.map((user) => [user, user]))
  load = new Load(running.url, instances, { keepAlive: true, requests: REQUESTS })
  await load.reached(REQUESTS / 3)
  const over = new AbortController()
  let most = 0
  const counting = (async () => {
    while (!over.signal.aborted) {
      most = Math.max(most, (await processesOf(project)).length)
      await wait(20)
    }
  })()
  const { code, json } = await orders.run(['instance', 'restart', '--all', '--json'])
  await load.round()
  over.abort()
  await counting
  const tally = await load.end(project)
  const processes = Object.values(tally.processes).flat().length
  printTally('all restarted at the cap', tally, { processes, most })
  expect([code, json().instances.map(({ outcome }: { outcome: string }) => outcome)]).toEqual([
    0,
    Array(users.length).fill('restarted'),
  ])
  expectWhole(tally, REQUESTS)
  expect(processes).toBe(2 * users.length)
  expect(most).toBe(users.length + 1)
})

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { ask, open, valuesOf } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { LEDGER, ledgerLines } from './harness/layout.ts'
import { leave } from './harness/nothing-left.ts'
import { processesOf, watched } from './harness/processes.ts'
import { basic, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { until } from './harness/until.ts'

const MIB = 1024 * 1024
const DRAIN = 1_500

let project: Project
let running: Running

beforeAll(async () => {
  project = await Project.create(null)
  const hasty = `limits: { drain: ${DRAIN}ms }`
  await project.write(
    'mux.yaml',
    echoYaml(
      `{ django1: { limits: { drain: 60s } }, django2: { ${hasty} }, django3: { restart: replace, ${hasty} } }`,
      {
        settings: `, LEDGER: ${project.path(LEDGER)}`,
      },
    ),
  )
  running = await Running.up(project)
  const users = { graham: 'django1', brian: 'django2', malcolm: 'django3' }
  await Promise.all(Object.entries(users).map(([user, instance]) => project.addUser(user, instance)))
})
afterAll(async () => {
  await leave(project, running)
})

const pidOf = async (user: string): Promise<number> => (await ask(running.url, '/', { user })).json().pid

interface Report {
  oldPid: number
  newPid: number
  drained: number
  took: number
}

async function restart(instance: string): Promise<Report> {
  return (await project.must(['instance', 'restart', instance, '--json'])).json()
}

/** Returns when so many requests to the target have reached an instance. */
async function begun(target: string, count: number): Promise<void> {
  await until(`${count} of ${target}`, async () => {
    const lines = await ledgerLines(project)
    return lines.filter((line) => line.includes(` ${target}`)).length >= count || undefined
  })
}

/** Returns when the instance of `graham` is served by another process. */
async function another(old: number): Promise<void> {
  await until('another process', async () => ((await pidOf('graham')) !== old ? true : undefined))
}

const HASTY = [
  ['overlap', 'brian', 'django2'],
  ['replace', 'malcolm', 'django3'],
] as const

describe('when its instance is restarted', () => {
  it('a request that is under way is answered by the process that has it, which is gone afterwards', async () => {
    const old = await pidOf('graham')
    const left = await watched([old])
    const answers = Promise.all(
      Array.from({ length: 20 }, (_, n) => ask(running.url, `/until/drained?${n}`, { user: 'graham' })),
    )
    await begun('/until/drained', 20)
    const restarted = restart('django1')
    await another(old)
    await project.write('drained', '')
    for (const { status, json } of await answers) expect([status, json().pid]).toEqual([200, old])
    const report = await restarted
    expect(report.oldPid).toBe(old)
    // With what looked for the next process at that moment.
    expect(report.drained).toBeGreaterThanOrEqual(20)
    expect(await left()).toEqual([])
  })

  it('200 MB up and 200 MB down that are under way come whole', async () => {
    const size = 200 * MIB
    const old = await pidOf('graham')
    const left = await watched([old])
    const sent = createHash('sha256')
    const gate = Promise.withResolvers<void>()
    const body = Readable.from(
      (async function* () {
        for (let n = 0; n < size / MIB; n++) {
          const block = Buffer.alloc(MIB, n)
          sent.update(block)
          yield block
          // So that it is in the middle when the restart begins.
          if (n === 100) await gate.promise
        }
      })(),
    )
    const up = ask(running.url, '/hash?whole', { user: 'graham', method: 'POST', body })
    const down = await open(running.url, `/zeros/${size}?whole`, { user: 'graham' })
    await begun('/hash?whole', 1)
    const restarted = restart('django1')
    await another(old)
    expect(await left()).toEqual([old])
    gate.resolve()
    let length = 0
    for await (const chunk of down) length += (chunk as Buffer).length
    expect(length).toBe(size)
    expect((await up).json()).toEqual({ length: size, sha256: sent.digest('hex') })
    expect((await restarted).drained).toBeGreaterThanOrEqual(2)
  })

  it.each(HASTY)(
    'by %s, a request that takes longer than limits.drain is told so at the limit, and the restart returns',
    async (_, user, instance) => {
      await pidOf(user)
      const answer = ask(running.url, `/hang?late-${user}`, { user })
      await begun(`/hang?late-${user}`, 1)
      const began = performance.now()
      const restarted = restart(instance)
      const { status, json } = await answer
      const took = performance.now() - began
      expect([status, json().code]).toEqual([502, 'instance_unreachable'])
      expect(took).toBeGreaterThanOrEqual(DRAIN)
      expect(took).toBeLessThan(40 * DRAIN)
      expect((await restarted).drained).toBe(0)
    },
  )

  it.each(HASTY)(
    'by %s, each of 50 WebSockets is closed with 1012, and a new one reaches the next process',
    async (_, user, instance) => {
      const connectAll = () =>
        Promise.all(
          Array.from({ length: 50 }, async () => {
            const socket = new WebSocket(`${running.url.replace('http', 'ws')}/ws`, {
              headers: { authorization: basic(user) },
            })
            const [hello] = await once(socket, 'message')
            return { socket, pid: JSON.parse(String(hello)).pid as number }
          }),
        )
      const sockets = await connectAll()
      const closes = Promise.all(sockets.map(({ socket }) => once(socket, 'close')))
      const { oldPid, newPid } = await restart(instance)
      expect(new Set(sockets.map(({ pid }) => pid))).toEqual(new Set([oldPid]))
      expect((await closes).map(([code]) => code)).toEqual(Array(50).fill(1012))
      const again = await connectAll()
      expect(new Set(again.map(({ pid }) => pid))).toEqual(new Set([newPid]))
      for (const { socket } of again) socket.close()
      await Promise.all(again.map(({ socket }) => once(socket, 'close')))
    },
  )

  it.each(HASTY)(
    'by %s, 50 event streams go on until limits.drain, end in order, and go on from their last event with the next process',
    async (_, user, instance) => {
      const streams = await Promise.all(
        Array.from({ length: 50 }, async () => {
          const response = await open(running.url, '/sse/1000', { user })
          let text = ''
          response.setEncoding('utf8').on('data', (part) => (text += part))
          // Rejects with the error where it is cut off.
          return { text: () => text, ended: once(response, 'end').then(() => response.complete) }
        }),
      )
      await until('an event on each', () => streams.every(({ text }) => text() !== '') || undefined)
      const { newPid, took } = await restart(instance)
      expect(took).toBeGreaterThanOrEqual(DRAIN)
      expect(await Promise.all(streams.map(({ ended }) => ended))).toEqual(Array(50).fill(true))
      const last = streams[0]!
        .text()
        .match(/(?<=^id: )\d+/gm)!
        .at(-1)!
      const again = await ask(running.url, '/', { user, headers: { 'last-event-id': last } })
      expect(again.json().pid).toBe(newPid)
      expect(valuesOf(again.json().headers, 'last-event-id')).toEqual([last])
    },
  )

  it('ten times at once, by as many command lines, one process is there in the end, and each command says which', async () => {
    const old = await pidOf('graham')
    const reports = await Promise.all(Array.from({ length: 10 }, () => restart('django1')))
    const { pid } = (await ask(running.url, '/', { user: 'graham' })).json() as { pid: number }
    expect(pid).not.toBe(old)
    expect(reports.map(({ newPid }) => newPid)).toContain(pid)
    const found = (await processesOf(project)).filter(({ instance }) => instance === 'django1')
    expect(found.map((process) => process.pid)).toEqual([pid])
  })
})

import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { closedGate, define, type Laboratory, laboratory, lives, nameOf } from './fixtures/laboratory.ts'
import { afterTry, LiveProbe, MISSES, PATIENCE } from './live-probe.ts'

const INTERVAL = 300
const patient = () => ({ signal: new AbortController().signal, navigation: false })

/** A server that is probed at `/health`, how often it was asked, and what came of it. */
async function probed(interval: number, answer: RequestListener, isReached?: () => Promise<boolean>) {
  let asked = 0
  const server = createServer((request, response) => {
    asked++
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { promise: hung, resolve } = Promise.withResolvers<string>()
  const probe = new LiveProbe({
    address: { port },
    health: '/health',
    interval,
    isReached,
    isStopped: () => false,
    hung: resolve,
  })
  onTestFinished(() => {
    probe.stop()
    server.closeAllConnections()
    server.close()
  })
  return { server, probe, hung, asked: () => asked }
}

describe('after a try, with an interval of 900 ms,', () => {
  it.each([
    [0, 'that went well in 20 ms', { ready: true, took: 20 }, { misses: 0, wait: 880 }],
    [2, 'that went well at last', { ready: true, took: 500 }, { misses: 0, wait: 400 }],
    [0, 'that was not answered in time', { ready: false, took: 540 }, { misses: 1, wait: 0 }],
    [1, 'that was refused at once', { ready: false, took: 5 }, { misses: 2, wait: 535 }],
    [2, 'whose end was slept through', { ready: false, took: 3_000 }, { misses: 2, wait: 0 }],
    [2, 'that could not be made', { ready: false, untried: true, took: 1 }, { misses: 2, wait: 539 }],
    [0, 'that was slept through', { ready: false, took: 3_000 }, { misses: 0, wait: 0 }],
  ])('%i misses before one %s', (before, _, outcome, after) => {
    expect(afterTry(before, outcome, 900)).toEqual(after)
  })

  it.each([0, 300, 540])('the third miss of %i ms is within 2.8 intervals of the last good one', (took) => {
    let time = 900
    for (let misses = 0; misses < MISSES;) {
      const next = afterTry(misses, { ready: false, took }, 900)
      misses = next.misses
      time += took + (misses < MISSES ? next.wait : 0)
    }
    expect(took).toBeLessThanOrEqual(900 * PATIENCE)
    expect(time).toBeLessThanOrEqual(2.8 * 900)
  })
})

describe('a live probe', () => {
  it('takes three misses in a row for a hang, and not two', async () => {
    const answers = [500, 503, 204, 500, 404, 500]
    const { hung, asked } = await probed(600, (_, response) => response.writeHead(answers.shift()!).end())
    expect(await hung).toBe('GET /health was answered 500')
    expect(asked()).toBe(6)
  })

  it('takes a switch of protocols that it has not asked for as a miss', async () => {
    const { hung, asked } = await probed(INTERVAL, (_, response) => {
      response.socket?.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n',
      )
    })
    expect(await hung).toBe('GET /health got no answer')
    // More, where this process was too late to say anything of the other.
    expect(asked()).toBeGreaterThanOrEqual(MISSES)
  })

  it('takes no try for a miss after which it cannot be seen who has answered', async () => {
    let looks = 0
    const isReached = async () => {
      if (++looks <= 5) throw new Error('no descriptor is left')
      return false
    }
    const { hung, asked } = await probed(INTERVAL, (_, response) => response.end(), isReached)
    expect(await hung).toBe('its address is answered by another process')
    expect(asked()).toBeGreaterThanOrEqual(5 + MISSES)
  })

  it('does not take its own delay for that of another', async () => {
    const { hung, asked } = await probed(300, (_, response) => response.end())
    let why: string | undefined
    void hung.then((told) => (why = told))
    for (let round = 0; round < 4; round++) {
      const before = asked()
      await expect.poll(asked, { interval: 5 }).toBeGreaterThan(before)
      // From before a try until long after its end, this process does nothing else.
      const end = performance.now() + 600
      while (performance.now() < end);
    }
    expect(why).toBeUndefined()
  })

  it('ends a try that is under way when it is stopped', async () => {
    const { probe, server } = await probed(INTERVAL, () => {})
    await once(server, 'request')
    const connections = () => new Promise((resolve) => server.getConnections((_, count) => resolve(count)))
    expect(await connections()).toBe(1)
    probe.stop()
    await expect.poll(connections).toBe(0)
  })
})

describe('an instance that hangs', () => {
  const hung = ({ events }: Laboratory) => events.filter(({ event }) => event === 'hung')

  it('because a signal has stopped it is noticed without a health path, and killed at once', async () => {
    const lab = await laboratory([
      define('a', 'serves', { probe: INTERVAL, limits: { drain: 60_000, stop: 60_000 } }),
    ])
    const { pid } = await lab.ask('a')
    process.kill(pid, 'SIGSTOP')
    const lost = lab.ask('a').catch((error: unknown) => error)
    await expect.poll(() => hung(lab)).toHaveLength(1)
    expect((await lab.ask('a')).pid).not.toBe(pid)
    expect(await lost).toBeInstanceOf(Error)
    await expect.poll(() => lab.status('a').lastExit).toMatchObject({ signal: 'SIGKILL', by: 'us' })
    expect(lives(pid)).toBe(false)
    expect(lab.status('a')).toMatchObject({ state: 'ready', crashes: 1 })
  })

  it('is replaced, and may finish what is under way with it beside the next one', async () => {
    const lab = await laboratory([define('a', 'serves', { probe: INTERVAL, health: '/' })])
    const { pid } = await lab.ask('a')
    const underWay = await lab.supervisor.claim(nameOf('a'), patient())
    await lab.ask('a', '/go-deaf')
    await expect.poll(() => hung(lab)).toHaveLength(1)
    expect(lab.status('a').reason).toBe('It stopped answering: GET / was not answered, three times in a row.')
    expect((await lab.ask('a')).pid).not.toBe(pid)
    expect(lab.status('a')).toMatchObject({ state: 'ready', reason: null, inFlight: 1 })
    expect([underWay.ended.aborted, lives(pid)]).toEqual([false, true])
    underWay.release()
    await expect.poll(() => lives(pid)).toBe(false)
  })

  it("and can't run twice is ended first, and those who come meanwhile are served by the next one", async () => {
    const lab = await laboratory([
      define('a', 'serves', { probe: INTERVAL, health: '/', restart: 'replace' }),
    ])
    const { pid } = await lab.ask('a')
    const gate = closedGate()
    const slow = lab.ask('a', `/held?by=${gate.path}`)
    await lab.ask('a', '/go-deaf')
    await expect.poll(() => hung(lab)).toHaveLength(1)
    const held = lab.ask('a')
    gate.open()
    expect((await slow).pid).toBe(pid)
    expect((await held).pid).not.toBe(pid)
    const order = lab.events.map(({ event }) => event).filter((event) => event !== 'state')
    expect(order).toEqual(['started', 'ready', 'hung', 'ended', 'started', 'ready'])
  })

  it('because its socket is gone, for whatever reason, is replaced', async () => {
    const lab = await laboratory([define('a', 'serves', { probe: INTERVAL, settings: { BIND: '{socket}' } })])
    const { pid, environment } = await lab.ask('a')
    rmSync(environment['MUX_SOCKET']!)
    await expect.poll(() => hung(lab)).toHaveLength(1)
    expect((await lab.ask('a')).pid).not.toBe(pid)
  })

  it('again after it was started again waits longer each time, and causes no storm', async () => {
    const lab = await laboratory([define('a', 'refuses-later', { probe: 100, health: '/' })])
    const waits: number[] = []
    let next = lab.next('hung')
    await lab.supervisor.start(nameOf('a'))
    for (let times = 0; times < 2; times++) {
      await next
      next = lab.next('hung')
      waits.push(Date.parse(lab.status('a').nextTry!) - Date.now())
    }
    expect(waits[0]).toBeLessThanOrEqual(600)
    expect(waits[1]).toBeGreaterThan(600)
    expect(lab.events.filter(({ event }) => event === 'started')).toHaveLength(2)
  })

  it('by fits and starts is replaced at most as often as one that crashes, and serves whenever it is well', async () => {
    const lab = await laboratory([define('a', 'flaps', { probe: 100, health: '/' })])
    const first = lab.next('hung')
    await lab.supervisor.start(nameOf('a'))
    await first
    const began = performance.now()
    await lab.next('hung')
    // The back-off of half a second, less a fifth, and at least three tries.
    expect(performance.now() - began).toBeGreaterThan(400 + 120)
    expect(lab.events.filter(({ event }) => event === 'started')).toHaveLength(2)
    expect((await lab.ask('a')).pid).toBeGreaterThan(0)
  })

  it('is not one that is well, and probes do not keep it awake', async () => {
    const lab = await laboratory([define('a', 'serves', { probe: 1_000, health: '/', idle: 2_500 })])
    const lease = await lab.supervisor.claim(nameOf('a'), patient())
    lease.release()
    await expect.poll(() => lab.status('a').state).toBe('stopped')
    expect(hung(lab)).toEqual([])
  })
})

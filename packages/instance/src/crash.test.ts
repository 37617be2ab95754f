import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ChildProcess } from './child-process.ts'
import { define, laboratory, lives, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'

const django1 = nameOf('django1')
const patient = () => ({ signal: new AbortController().signal, navigation: false })

/** Children of this process that have ended and were not reaped. */
function zombies(): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const [state, parent] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ')
      return state === 'Z' && Number(parent) === process.pid
    } catch {
      return false
    }
  })
}

describe('an instance that crashes', () => {
  it('is started again, and requests in between are held and served', async () => {
    const { ask, next, status } = await laboratory([define('django1', 'serves')])
    const { pid } = await ask('django1')
    const crashed = next('crashed').then(() => status('django1'))
    await expect(ask('django1', '/exit?code=7')).rejects.toThrow()
    expect(await crashed).toMatchObject({
      state: 'starting',
      reason: 'It exited with code 7 while it served.',
      lastExit: { code: 7, signal: null, by: 'crash' },
      nextTry: expect.stringMatching(/^\d{4}-/),
    })
    const answers = await Promise.all([ask('django1'), ask('django1')])
    expect(answers[0].pid).not.toBe(pid)
    expect(status('django1')).toMatchObject({ state: 'ready', crashes: 1, reason: null, nextTry: null })
  })

  it('takes what it left running with it before it is started again', async () => {
    const { ask, status, events } = await laboratory([define('django1', 'leaves-strays')])
    const { pid } = await ask('django1')
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => status('django1').crashes).toBe(1)
    await ask('django1')
    expect(status('django1').lastExit).toMatchObject({ code: null, signal: 'SIGKILL', by: 'crash' })
    expect(events.map(({ event }) => event)).toEqual([
      'started',
      'ready',
      'crashed',
      'ended',
      'started',
      'ready',
    ])
  })

  it('again and again is refused at once, and is served when it works again', async () => {
    const EXIT_WHILE = join(temporaryDirectory(), 'exit')
    const { ask, supervisor, status } = await laboratory([
      define('django1', 'exits-while-told-to', { settings: { EXIT_WHILE } }),
    ])
    writeFileSync(EXIT_WHILE, '')
    await expect(ask('django1')).rejects.toMatchObject({ code: 'instance_failed' })
    await expect.poll(() => status('django1').crashes).toBeGreaterThan(0)
    expect(() => supervisor.claim(django1, patient())).toThrow(
      expect.objectContaining({ code: 'instance_failed', retryAfter: expect.any(Number) }),
    )
    rmSync(EXIT_WHILE)
    await expect.poll(() => status('django1').state).toBe('ready')
    await ask('django1')
  })

  it('is started at once by order, however long its wait has become', async () => {
    const EXIT_WHILE = join(temporaryDirectory(), 'exit')
    const { supervisor, status } = await laboratory([
      define('django1', 'exits-while-told-to', { settings: { EXIT_WHILE } }),
    ])
    writeFileSync(EXIT_WHILE, '')
    await expect(supervisor.start(django1)).rejects.toMatchObject({ code: 'instance_failed' })
    expect(status('django1').state).toBe('failed')
    rmSync(EXIT_WHILE)
    expect(await supervisor.start(django1)).toMatchObject({ state: 'ready', nextTry: null, crashes: 0 })
  })

  it('two hundred times leaves no zombie', async () => {
    const output = openSync('/dev/null', 'w')
    onTestFinished(() => closeSync(output))
    const plan = {
      program: 'false',
      arguments: [],
      environment: { PATH: process.env['PATH']! },
      directory: '/',
    }
    const nothing = { account: null, nice: 0, umask: null, files: null, processes: null, sandbox: null }
    for (let round = 0; round < 20; round++) {
      const ten = await Promise.all(
        Array.from({ length: 10 }, () => ChildProcess.launch(plan, 'django1', output, nothing)),
      )
      for (const { exited } of ten) expect(await exited).toMatchObject({ code: 1, by: 'crash' })
    }
    await expect.poll(zombies).toEqual([])
  })

  it('twenty times leaves no zombie, no descriptor and no record behind', async () => {
    const names = ['a', 'b']
    const { supervisor, stateDirectory, events } = await laboratory(
      names.map((name) => define(name, 'serves', { command: ['false'] })),
    )
    const crash = (name: string) => supervisor.start(nameOf(name)).catch(() => {})
    const descriptors = () => readdirSync('/proc/self/fd').length
    await Promise.all(names.map(crash))
    const before = descriptors()
    for (let round = 1; round < 10; round++) await Promise.all(names.map(crash))
    await Promise.all(names.map((name) => supervisor.stop(nameOf(name))))
    expect(events.filter(({ event }) => event === 'boot_failed').length).toBeGreaterThanOrEqual(20)
    // The keeper of their logs ends as well, in its own time.
    await expect.poll(zombies).toEqual([])
    // Less than one for each round.
    await expect.poll(descriptors).toBeLessThan(before + 9)
    expect(readdirSync(join(stateDirectory, 'run')).filter((file) => file.endsWith('.json'))).toEqual([])
    expect(supervisor.status().pool).toMatchObject({ running: 0, booting: 0 })
  })

  it('is not started again once the operator has closed it', async () => {
    let closed = false
    const { ask, status, supervisor } = await laboratory([define('django1', 'serves')], {
      closed: () => (closed ? { message: null } : undefined),
    })
    const { pid } = await ask('django1')
    closed = true
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => status('django1').state).toBe('disabled')
    expect(supervisor.status().pool.running).toBe(0)
  })

  it('is stopped by order while it waits for its next start', async () => {
    const { ask, next, status, supervisor } = await laboratory([define('django1', 'serves')])
    const { pid } = await ask('django1')
    const stopped = next('crashed').then(() => {
      expect(status('django1').nextTry).not.toBeNull()
      return supervisor.stop(django1)
    })
    process.kill(pid, 'SIGKILL')
    expect(await stopped).toMatchObject({ state: 'stopped', nextTry: null })
  })

  it('is not noticed by others', async () => {
    const { ask, status } = await laboratory([define('django1', 'serves'), define('django2', 'serves')])
    const { pid } = await ask('django2')
    process.kill((await ask('django1')).pid, 'SIGKILL')
    const answers = []
    while (status('django1').crashes === 0) answers.push((await ask('django2')).pid)
    expect(new Set(answers)).toEqual(new Set([pid]))
  })

  it('during a restart is replaced by the new generation', async () => {
    const { ask, supervisor, status } = await laboratory([define('django1', 'serves')])
    const { pid } = await ask('django1')
    supervisor.define([define('django1', 'serves', { settings: { BOOT_MS: '500' } })])
    const restarting = supervisor.restart(django1)
    process.kill(pid, 'SIGKILL')
    const { newPid } = await restarting
    expect(lives(newPid)).toBe(true)
    expect((await ask('django1')).pid).toBe(newPid)
    expect(status('django1')).toMatchObject({ state: 'ready', nextTry: null })
  })
})

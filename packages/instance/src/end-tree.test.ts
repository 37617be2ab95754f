import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Ports } from './addresses.ts'
import { boot } from './boot.ts'
import { define, lives, logKeeper, temporaryDirectory } from './fixtures/laboratory.ts'
import type { Generation } from './generation.ts'
import { endTree } from './end-tree.ts'
import { isAlive } from './process-tree.ts'
import { SettingsHistory } from './settings-history.ts'

const hurry = new AbortController().signal

async function generationOf(program: string, changes: Parameters<typeof define>[2] = {}) {
  const stateDirectory = temporaryDirectory()
  const habitat = {
    stateDirectory,
    environment: { PATH: process.env['PATH'] },
    ports: new Ports(),
    logs: logKeeper(stateDirectory),
    history: new SettingsHistory(stateDirectory, () => {}),
    hurry,
  }
  const generation = await boot(habitat, {
    definition: define('django1', program, changes),
    number: 1,
    signal: new AbortController().signal,
    launched: () => {},
  })
  return { generation, data: join(stateDirectory, 'data', 'django1') }
}

function familyOf(generation: Generation, data: string): number[] {
  return [generation.pid, ...readFileSync(join(data, 'family'), 'utf8').split(' ').map(Number)]
}

describe('the end of a process tree', () => {
  it('takes children, sessions of their own and orphans with it', async () => {
    const { generation, data } = await generationOf('leaves-strays')
    const family = familyOf(generation, data)
    expect(family.map(lives)).toEqual([true, true, true, true])
    expect(await generation.end()).toEqual({ killed: false, survivors: [] })
    expect(family.map(lives)).toEqual([false, false, false, false])
  })

  it('takes those with it whose parent has been killed already', async () => {
    const { generation, data } = await generationOf('leaves-strays')
    const family = familyOf(generation, data)
    process.kill(generation.pid, 'SIGKILL')
    await generation.exited
    expect((await generation.end()).survivors).toEqual([])
    expect(family.map(lives)).toEqual([false, false, false, false])
    expect(generation.exit).toMatchObject({ signal: 'SIGKILL', by: 'crash' })
  })

  it('is SIGKILL at the limit for what ignores the signal, and not before', async () => {
    const { generation } = await generationOf('ignores-sigterm', { limits: { stop: 400 } })
    const began = performance.now()
    expect((await generation.end()).killed).toBe(true)
    expect(performance.now() - began).toBeGreaterThan(390)
    expect(generation.exit).toMatchObject({ code: null, signal: 'SIGKILL', by: 'us' })
  })

  it('reaches a process that was suspended', async () => {
    const { generation } = await generationOf('serves', { limits: { stop: 200 } })
    process.kill(generation.pid, 'SIGSTOP')
    expect((await generation.end()).killed).toBe(true)
    expect(lives(generation.pid)).toBe(false)
  })

  it('is the signal that the instance asks for', async () => {
    const { generation } = await generationOf('ignores-sigterm', { stopSignal: 'SIGINT' })
    expect((await generation.end()).killed).toBe(false)
    expect(generation.exit).toMatchObject({ signal: 'SIGINT', by: 'us' })
  })

  it('spares a process that only has the number of one of ours', async () => {
    const bystander = spawn('sleep', ['60'], { stdio: 'ignore', detached: true })
    try {
      const identity = { pid: bystander.pid!, startTime: 'another boot/1', marker: 'x'.repeat(32) }
      await endTree(identity, { signal: 'SIGKILL', limit: 100, hurry, isAlive: () => isAlive(identity) })
      expect(lives(bystander.pid!)).toBe(true)
    } finally {
      bystander.kill('SIGKILL')
    }
  })

  it('is not put off by a process that shows no environment', async () => {
    const { generation } = await generationOf('serves')
    const blank = spawn('sleep', ['60'], { stdio: 'ignore', detached: true, env: {} })
    try {
      expect(await generation.end()).toEqual({ killed: false, survivors: [] })
      expect(lives(blank.pid!)).toBe(true)
    } finally {
      blank.kill('SIGKILL')
    }
  })

  it('frees socket and record, and leaves the instance its data', async () => {
    const { generation, data } = await generationOf('serves', { settings: { BIND: '{socket}' } })
    mkdirSync(join(data, 'kept'))
    const run = join(data, '..', '..', 'run')
    expect(readdirSync(run).sort()).toEqual(['django1.1.json', 'django1.1.sock'])
    await generation.end()
    expect(readdirSync(run)).toEqual([])
    expect(existsSync(join(data, 'kept'))).toBe(true)
  })
})

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fixture, temporaryDirectory } from './fixtures/laboratory.ts'
import { HostLockedError, lockHost } from './host-lock.ts'

async function holder(directory: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fixture('holds-host-lock'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

function refusalOf(directory: string): HostLockedError {
  try {
    lockHost(directory).release()
  } catch (error) {
    if (error instanceof HostLockedError) return error
    throw error
  }
  throw new Error('the lock was given')
}

describe('a state directory', () => {
  it('has one supervisor at a time, and a second is told at once whose it is', async () => {
    const directory = temporaryDirectory()
    const { pid } = await holder(directory)
    const began = performance.now()
    const refusal = refusalOf(directory)
    expect(performance.now() - began).toBeLessThan(3_000)
    expect(refusal.holder).toMatchObject({ pid })
    expect(refusal.message).toBe(`A supervisor (pid ${pid}) is already running here.`)
  })

  it('is free the moment that its supervisor is killed', async () => {
    const directory = temporaryDirectory()
    const child = await holder(directory)
    child.kill('SIGKILL')
    await once(child, 'exit')
    lockHost(directory).release()
  })

  it('is free when its lock was damaged, and has one supervisor when it is damaged while it is held', async () => {
    const directory = temporaryDirectory()
    lockHost(directory).release()
    const damage = () => writeFileSync(join(directory, 'run', 'host.lock'), 'no database '.repeat(400))
    damage()
    const { pid } = await holder(directory)
    damage()
    expect(refusalOf(directory).holder).toMatchObject({ pid })
  })

  it('is not given twice within one process either, and is free after its release', () => {
    const directory = temporaryDirectory()
    const lock = lockHost(directory)
    expect(refusalOf(directory).holder?.pid).toBe(process.pid)
    lock.release()
    lock.release()
    const again = lockHost(directory)
    lock.release()
    expect(refusalOf(directory).holder?.pid).toBe(process.pid)
    again.release()
  })
})

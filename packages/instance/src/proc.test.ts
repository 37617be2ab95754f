import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { temporaryDirectory } from './fixtures/laboratory.ts'
import { environmentOf, everyPid, factsOf } from './proc.ts'

async function sleeper(program = 'sleep', env: Record<string, string> = { A: '1', B: '2' }) {
  const child = spawn(program, ['60'], { stdio: 'ignore', detached: true, env })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'spawn')
  return child
}

describe('what is known of a process', () => {
  it('is its parent, its group, its session, and a start like no other', async () => {
    const first = await sleeper()
    expect(factsOf(first.pid!)).toMatchObject({
      pid: first.pid,
      parent: process.pid,
      group: first.pid,
      session: first.pid,
      startTime: expect.stringMatching(/^[0-9a-f-]{36}\/\d+$/),
      isKernel: false,
    })
    expect(factsOf(process.pid)!.ticks).toBeLessThanOrEqual(factsOf(first.pid!)!.ticks)
  })

  it('is read right however the program is named', async () => {
    const program = join(temporaryDirectory(), ') Z 1 (')
    copyFileSync('/bin/sleep', program)
    const { pid } = await sleeper(program)
    expect(factsOf(pid!)).toMatchObject({ parent: process.pid, group: pid })
  })

  it('is its environment', async () => {
    const { pid } = await sleeper()
    await expect.poll(() => environmentOf(pid!)).toBe('A=1\0B=2\0')
  })

  it('is nothing once it has ended', async () => {
    const child = await sleeper()
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(factsOf(child.pid!)).toBeUndefined()
    expect(environmentOf(child.pid!)).toBeUndefined()
  })
})

it('every process is told, the present one among them, and each once', async () => {
  const pids: number[] = []
  for await (const pid of everyPid()) pids.push(pid)
  expect(pids).toContain(process.pid)
  expect(new Set(pids).size).toBe(pids.length)
})

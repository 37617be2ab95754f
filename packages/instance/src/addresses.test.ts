import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readlinkSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Ports, socketPath } from './addresses.ts'
import { temporaryDirectory } from './fixtures/laboratory.ts'

function deepDirectory(): string {
  const directory = join(temporaryDirectory(), 'deep'.repeat(20), '.mux')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  onTestFinished(() => {
    const pointer = join(directory, 'run', 'short')
    if (lstatSync(pointer, { throwIfNoEntry: false }))
      rmSync(readlinkSync(pointer), { recursive: true, force: true })
  })
  return directory
}

async function listenOn(path: string): Promise<void> {
  const server = createServer()
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
}

describe('the path of a socket', () => {
  it('is in run/, which is made private', () => {
    const directory = temporaryDirectory()
    expect(socketPath(directory, 'control.sock')).toBe(join(directory, 'run', 'control.sock'))
    expect(lstatSync(join(directory, 'run')).mode & 0o777).toBe(0o700)
  })

  it('is a short one for a deep project, the same each time, and can be listened on', async () => {
    const directory = deepDirectory()
    const path = socketPath(directory, 'control.sock')
    expect(socketPath(directory, 'control.sock')).toBe(path)
    expect(path).not.toContain('deep')
    await listenOn(path)
    await listenOn(socketPath(directory, `${'a'.repeat(63)}.999999.sock`))
    expect(lstatSync(join(path, '..')).mode & 0o777).toBe(0o700)
  })

  it('is a new one when the short directory was cleaned away', () => {
    const directory = deepDirectory()
    const path = socketPath(directory, 'control.sock')
    rmSync(join(path, '..'), { recursive: true })
    const again = socketPath(directory, 'control.sock')
    expect(again).not.toBe(path)
    expect(existsSync(join(again, '..'))).toBe(true)
  })

  it('is another one for the copy of a project', () => {
    const directory = deepDirectory()
    const path = socketPath(directory, 'control.sock')
    const copy = deepDirectory()
    cpSync(directory, copy, { recursive: true, verbatimSymlinks: true })
    expect(socketPath(copy, 'control.sock')).not.toBe(path)
    expect(socketPath(directory, 'control.sock')).toBe(path)
  })

  it('is refused in a short directory that others may enter', () => {
    const directory = deepDirectory()
    chmodSync(join(socketPath(directory, 'control.sock'), '..'), 0o755)
    expect(() => socketPath(directory, 'control.sock')).toThrow(/is not this user's alone/)
  })
})

describe('ports', () => {
  it('are free, and given to one at a time', async () => {
    const ports = new Ports()
    const taken = await Promise.all(Array.from({ length: 200 }, () => ports.take()))
    expect(new Set(taken).size).toBe(200)
    const server = createServer()
    onTestFinished(() => void server.close())
    await new Promise<void>((resolve) => server.listen(taken[0], '127.0.0.1', resolve))
  })
})

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RecordError } from '@mux/contract'
import { openSqliteRegistry } from './sqlite.ts'

const WRITER = fileURLToPath(new URL('fixtures/writer.ts', import.meta.url))
const OPENER = fileURLToPath(new URL('fixtures/opener.ts', import.meta.url))

let directory: string
let file: string
let children: ChildProcess[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mux-registry-'))
  file = join(directory, 'registry.sqlite')
  children = []
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

/** Starts a process that writes pairs of users, and tells the names that it said were durable. */
function startWriter(prefix: string, count: number) {
  const child = spawn(process.execPath, [WRITER, file, prefix, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const written: string[] = []
  const lines = createInterface(child.stdout)
  lines.on('line', (line) => written.push(line))
  const exited = once(child, 'close').then(([code]) => code as number | null)
  return { child, written, exited, firstLine: once(lines, 'line') }
}

describe('several processes with one registry', () => {
  it('may all open it at the same moment, when it is not there yet', async () => {
    const start = Date.now() + 1_500
    const openers = Array.from({ length: 5 }, () => {
      const child = spawn(process.execPath, [OPENER, directory, String(start), '30'], { stdio: 'inherit' })
      children.push(child)
      return once(child, 'close')
    })
    const codes = (await Promise.all(openers)).map(([code]) => code as number | null)
    expect(codes).toEqual([0, 0, 0, 0, 0])
  })

  it('see each other’s writes with the very next read', async () => {
    const registry = openSqliteRegistry(file)
    expect(await registry.read('user', 'p0-left')).toBeUndefined()
    const { child, exited } = startWriter('p', 200)
    let seen = 0
    for await (const name of createInterface(child.stdout)) {
      expect(await registry.read('user', `${name}-right`)).toBeDefined()
      // The one that will be written next is remembered as absent meanwhile.
      await registry.read('user', `p${(seen += 1)}-right`)
    }
    expect(await exited).toBe(0)
    expect(seen).toBe(200)
    registry.close()
  })

  it('fifty that add at once, to a registry that is not there yet, all have added and decided in turn', async () => {
    const writers = Array.from({ length: 50 }, (_, index) => startWriter(`p${index}x`, 1))
    const codes = await Promise.all(writers.map(({ exited }) => exited))
    expect(codes).toEqual(codes.map(() => 0))
    const registry = openSqliteRegistry(file)
    expect(await registry.list('user')).toHaveLength(101)
    expect(await registry.read('user', 'changes')).toMatchObject({ version: 50 })
    registry.close()
  })
})

describe('a process that is killed while it writes', () => {
  it('leaves all that it said was durable, and no half of a change', async () => {
    const durable = new Set<string>()
    for (let kill = 0; kill < 30; kill += 1) {
      const { child, written, exited, firstLine } = startWriter(`k${kill}x`, 1_000_000)
      // Some die while they open the registry, most while they write.
      if (kill % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 40 + kill * 3))
      else {
        await firstLine
        await new Promise((resolve) => setTimeout(resolve, (kill * 7) % 31))
      }
      child.kill('SIGKILL')
      await exited
      for (const name of written) durable.add(name)

      const registry = openSqliteRegistry(file)
      const users = await registry.list('user')
      expect(users.filter(({ record }) => record instanceof RecordError)).toEqual([])
      const names = users.map(({ name }) => name).filter((name) => name !== 'changes')
      const pairs = new Set(names.map((name) => name.replace(/-(?:left|right)$/, '')))
      expect(names).toHaveLength(pairs.size * 2)
      expect((await registry.read('user', 'changes'))?.version ?? 0).toBe(pairs.size)
      expect([...durable].filter((name) => !pairs.has(name))).toEqual([])
      registry.close()
    }
    // One at least of each that was killed while it wrote.
    expect(durable.size).toBeGreaterThanOrEqual(24)
  })
})

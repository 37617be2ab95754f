import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFile, replaceFile } from './atomic-file.ts'

let directory: string
let file: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mux-file-'))
  file = join(directory, 'a')
})
afterEach(() => rmSync(directory, { recursive: true }))

function modeOf(path: string): number {
  return statSync(path).mode & 0o777
}

describe('a file that is replaced', () => {
  it('keeps its mode, or is given one', async () => {
    writeFileSync(file, 'old')
    chmodSync(file, 0o640)
    await replaceFile(file, 'new', { unlessPresent: 0o644 })
    expect([readFileSync(file, 'utf8'), modeOf(file)]).toEqual(['new', 0o640])
    await replaceFile(file, 'newer', 0o600)
    expect([readFileSync(file, 'utf8'), modeOf(file)]).toEqual(['newer', 0o600])
  })

  it('may not have been there', async () => {
    await replaceFile(file, 'new', { unlessPresent: 0o644 })
    expect([readFileSync(file, 'utf8'), modeOf(file)]).toEqual(['new', 0o644])
  })

  it('is the one that a link points at, and the link stays', async () => {
    writeFileSync(file, 'old')
    symlinkSync('a', join(directory, 'link'))
    await replaceFile(join(directory, 'link'), 'new', { unlessPresent: 0o644 })
    expect(readFileSync(file, 'utf8')).toBe('new')
    expect(lstatSync(join(directory, 'link')).isSymbolicLink()).toBe(true)
  })

  it('leaves nothing beside it, also when it cannot be replaced', async () => {
    await replaceFile(file, 'new', 0o600)
    await expect(replaceFile(directory, 'new', 0o600)).rejects.toThrow('EISDIR')
    expect(readdirSync(directory)).toEqual(['a'])
  })
})

it('what a process that was killed has left beside a file goes with the next change of it', async () => {
  const old = new Date(Date.now() - 3_600_000)
  for (const name of ['a.77.0123456789ab', 'a.78.0123456789ab', 'b.77.0123456789ab', 'a.bak'])
    writeFileSync(join(directory, name), 'x')
  for (const name of ['a.77.0123456789ab', 'b.77.0123456789ab', 'a.bak'])
    utimesSync(join(directory, name), old, old)
  await replaceFile(file, 'new', 0o600)
  expect(readdirSync(directory).sort()).toEqual(['a', 'a.78.0123456789ab', 'a.bak', 'b.77.0123456789ab'])
})

it('a file is created once, whoever is first', async () => {
  const created = await Promise.all(Array.from({ length: 8 }, (_, i) => createFile(file, String(i), 0o600)))
  expect(created.filter(Boolean)).toHaveLength(1)
  expect(readFileSync(file, 'utf8')).toBe(String(created.indexOf(true)))
  expect(modeOf(file)).toBe(0o600)
  expect(readdirSync(directory)).toEqual(['a'])
})

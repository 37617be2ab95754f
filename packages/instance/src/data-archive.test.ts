import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { Header } from 'tar/header'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ArchiveError, archiveData, unpackData } from './data-archive.ts'

let root: string
let from: string
let to: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mux-data-'))
  from = join(root, 'from')
  to = join(root, 'to')
  mkdirSync(from)
  mkdirSync(to)
  writeFileSync(join(to, 'old'), 'old')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const archive = () => buffer(archiveData(from))
async function* inPieces(bytes: Uint8Array, size = 1000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
const unpack = (bytes: Uint8Array) => unpackData(inPieces(bytes), to)
/** An archive made by hand, of what no honest one has. */
const forged = (
  ...entries: { path: string; type?: string; linkpath?: string; mode?: number; text?: string }[]
) =>
  Buffer.concat([
    ...entries.flatMap(({ path, type = 'File', linkpath = '', mode = 0o644, text = '' }) => {
      const header = new Header({
        path,
        type: type as 'File',
        linkpath,
        mode,
        size: text.length,
        mtime: new Date(),
      })
      const block = Buffer.alloc(512)
      header.encode(block)
      return [block, Buffer.concat([Buffer.from(text), Buffer.alloc((512 - (text.length % 512)) % 512)])]
    }),
    Buffer.alloc(1024),
  ])

it('all of a directory arrives as it was: contents, permissions, times and links; and nothing that was there stays', async () => {
  const large = randomBytes(3_000_000)
  mkdirSync(join(from, 'media/deep'), { recursive: true })
  writeFileSync(join(from, 'media/deep/large'), large)
  writeFileSync(join(from, 'Füße und 日本.txt'), 'text')
  writeFileSync(join(from, 'run.sh'), '#!/bin/sh\n')
  chmodSync(join(from, 'run.sh'), 0o750)
  chmodSync(join(from, 'media'), 0o2770)
  utimesSync(join(from, 'run.sh'), 1_000_000_000, 1_000_000_000)
  symlinkSync('deep/large', join(from, 'media/link'))
  linkSync(join(from, 'run.sh'), join(from, 'again.sh'))
  mkdirSync(join(from, 'empty'))
  await unpack(await archive())
  expect(readdirSync(to).sort()).toEqual(['Füße und 日本.txt', 'again.sh', 'empty', 'media', 'run.sh'])
  expect(readFileSync(join(to, 'media/deep/large')).equals(large)).toBe(true)
  expect(statSync(join(to, 'run.sh'))).toMatchObject({ mode: 0o100750, mtimeMs: 1_000_000_000_000, nlink: 2 })
  expect(statSync(join(to, 'media')).mode & 0o7777).toBe(0o770)
  expect(readlinkSync(join(to, 'media/link'))).toBe('deep/large')
  expect(readdirSync(root).sort()).toEqual(['from', 'to'])
})

it('what tar(1) makes is taken, compressed or not, and tar(1) takes what we make', async () => {
  writeFileSync(join(from, 'a'), 'a')
  const theirs = execFileSync('tar', ['-c', '-C', from, '.'])
  await unpack(gzipSync(theirs))
  expect(readdirSync(to)).toEqual(['a'])
  expect(execFileSync('tar', ['-t'], { input: await archive() }).toString()).toBe('./\n./a\n')
})

it('a socket is left out, since nobody is behind it where it arrives', async () => {
  const server = createServer().listen(join(from, 'app.sock'))
  await new Promise((resolve) => server.once('listening', resolve))
  await unpack(await archive())
  server.close()
  expect(readdirSync(to)).toEqual([])
})

describe('an archive that is not taken leaves all as it was', () => {
  const outside = () => join(root, 'outside')
  beforeEach(() => writeFileSync(outside(), 'untouched'))
  afterEach(() => {
    expect(readFileSync(outside(), 'utf8')).toBe('untouched')
    expect(readFileSync(join(to, 'old'), 'utf8')).toBe('old')
    expect(readdirSync(root).sort()).toEqual(['from', 'outside', 'to'])
  })

  it.each([
    ['a name that leads out', () => [{ path: '../outside', text: 'x' }]],
    ['an absolute name', () => [{ path: outside(), text: 'x' }]],
    ['a link that leads out', () => [{ path: 'a', type: 'SymbolicLink', linkpath: '../outside' }]],
    ['an absolute link', () => [{ path: 'a', type: 'SymbolicLink', linkpath: outside() }]],
    [
      'a name behind a link',
      () => [
        { path: 'inner/x', text: 'x' },
        { path: 'a', type: 'SymbolicLink', linkpath: 'inner' },
        { path: 'a/b', text: 'x' },
      ],
    ],
    ['a hard link to what is outside', () => [{ path: 'a', type: 'Link', linkpath: '../outside' }]],
    ['a device', () => [{ path: 'a', type: 'CharacterDevice' }]],
    ['a pipe', () => [{ path: 'a', type: 'FIFO' }]],
  ])('with %s', async (_what, entries) => {
    await expect(unpack(forged({ path: 'good', text: 'x' }, ...entries()))).rejects.toThrow(ArchiveError)
  })

  it.each([
    ['is empty', () => Buffer.alloc(0)],
    ['is something else', () => Buffer.from('PGDMP'.repeat(1000))],
    ['breaks off in a file', async () => (await archive()).subarray(0, 1500)],
    ['breaks off behind a file', () => forged({ path: 'a', text: 'x' }).subarray(0, 1024)],
  ])('which %s', async (_what, bytes) => {
    writeFileSync(join(from, 'a'), 'x'.repeat(5000))
    await expect(unpack(await bytes())).rejects.toThrow(ArchiveError)
  })

  it('behind as many files as it takes for some to be still under way', async () => {
    const files = Array.from({ length: 200 }, (_, n) => ({ path: `${n % 20}/${n}`, text: 'x'.repeat(5000) }))
    const link = { path: 'a', type: 'SymbolicLink', linkpath: outside() }
    const bytes = forged(...files, link, ...files)
    await expect(unpackData(inPieces(bytes, bytes.length), to)).rejects.toThrow(ArchiveError)
  })

  it('whose sender fails', async () => {
    const breaking = async function* () {
      const files = Array.from({ length: 50 }, (_, n) => ({ path: `${n}/a`, text: 'x'.repeat(5000) }))
      yield forged(...files).subarray(0, 100_000)
      throw new Error('the line is dead')
    }
    await expect(unpackData(breaking(), to)).rejects.toThrow('the line is dead')
  })
})

it('no file gets the rights of its owner for whoever runs it', async () => {
  await unpack(forged({ path: 'root.sh', mode: 0o4755, text: 'x' }))
  expect(statSync(join(to, 'root.sh')).mode & 0o7777).toBe(0o755)
})

it('no archive lets others into the directory', async () => {
  chmodSync(to, 0o700)
  await unpack(forged({ path: './', type: 'Directory', mode: 0o777 }, { path: 'a', text: 'x' }))
  expect(statSync(to).mode & 0o7777).toBe(0o700)
})

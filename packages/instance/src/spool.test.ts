import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { spool } from './spool.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mux-spool-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
})

async function* pieces(bytes: Uint8Array, size = 60_000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

it.each([0, 1, 1024 * 1024, 1024 * 1024 + 1, 3_000_000])(
  'a body of %i bytes comes back as it was, more than once, and no file has its name',
  async (size) => {
    const bytes = Buffer.alloc(size, 'abcdefg')
    const body = await spool(pieces(bytes), { directory })
    expect(readdirSync(directory)).toEqual([])
    expect(body).toMatchObject({ size, sha256: createHash('sha256').update(bytes).digest('base64') })
    expect(Buffer.from(await body.start(10))).toEqual(bytes.subarray(0, 10))
    for (const offset of [0, 7, size])
      expect((await buffer(body.from(offset))).equals(bytes.subarray(offset))).toBe(true)
    await body.dispose()
  },
)

it('a body that is longer than allowed is given up at once', async () => {
  let taken = 0
  async function* endless(): AsyncIterable<Uint8Array> {
    for (;;) {
      taken += 1_000_000
      yield new Uint8Array(1_000_000)
    }
  }
  await expect(spool(endless(), { directory, limit: 2_500_000 })).rejects.toThrow(
    expect.objectContaining({ name: 'SpoolLimitError' }),
  )
  expect(taken).toBe(3_000_000)
  expect(readdirSync(directory)).toEqual([])
})

it('what the source, or the disk, fails with is thrown', async () => {
  async function* broken(): AsyncIterable<Uint8Array> {
    yield new Uint8Array(2_000_000)
    throw new Error('broken')
  }
  await expect(spool(broken(), { directory })).rejects.toThrow('broken')
  const nowhere = join(directory, 'absent')
  await expect(spool(pieces(new Uint8Array(2_000_000)), { directory: nowhere })).rejects.toThrow('ENOENT')
})

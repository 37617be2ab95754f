import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { currentFile, type KeyRing, olderKeys, replaceCurrent, retireBefore } from './key-ring.ts'
import { ensureKey, readKey } from './keys.ts'

const NOW = Date.UTC(2026, 10, 22)
let ring: KeyRing
let first: Uint8Array
beforeEach(async () => {
  ring = { directory: await mkdtemp(join(tmpdir(), 'mux-keys-')), name: 'session' }
  first = await ensureKey(currentFile(ring))
})
afterEach(() => rm(ring.directory, { recursive: true }))

it('a new key takes the place of the current one, which stays beside it', async () => {
  await replaceCurrent(ring, NOW)
  expect(await readKey(currentFile(ring))).not.toEqual(first)
  expect(await olderKeys(ring)).toEqual([first])
  const given = new Uint8Array(32).fill(9)
  await replaceCurrent(ring, NOW + 1, given)
  expect(await readKey(currentFile(ring))).toEqual(given)
  expect(await olderKeys(ring)).toHaveLength(2)
})

it('those that were replaced before a moment are retired, and never the current one', async () => {
  await replaceCurrent(ring, NOW)
  await replaceCurrent(ring, NOW + 1)
  expect(await retireBefore(ring, NOW)).toEqual({ retired: 0, kept: 2 })
  expect(await retireBefore(ring, NOW + 1)).toEqual({ retired: 1, kept: 1 })
  expect(await olderKeys(ring)).not.toContainEqual(first)
  expect(await retireBefore(ring, Infinity)).toEqual({ retired: 1, kept: 0 })
  expect(await readdir(ring.directory)).toEqual(['session.key'])
})

it('rings of names that begin alike keep out of each other’s way', async () => {
  const other = { ...ring, name: 'session.1' }
  await ensureKey(currentFile(other))
  await replaceCurrent(other, NOW)
  expect(await olderKeys(ring)).toEqual([])
  expect(await retireBefore(ring, Infinity)).toEqual({ retired: 0, kept: 0 })
})

it('every key is for nobody but its owner, and one that is damaged is not passed over', async () => {
  await replaceCurrent(ring, NOW)
  for (const name of await readdir(ring.directory))
    expect((await stat(join(ring.directory, name))).mode & 0o777).toBe(0o600)
  await writeFile(join(ring.directory, `session.${NOW}.key`), 'x')
  await expect(olderKeys(ring)).rejects.toMatchObject({ code: 'key_unusable' })
})

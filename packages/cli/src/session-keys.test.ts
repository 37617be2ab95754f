import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { rotateSessionKey, sessionKeys } from './session-keys.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 10, 22)
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mux-keys-'))
})
afterEach(() => rm(directory, { recursive: true }))

const rotate = (now: number, retire = false) =>
  rotateSessionKey(directory, { now, longest: 14 * DAY, retire })

it('a new key signs, and the old one still verifies', async () => {
  const [old] = await sessionKeys(directory)
  expect(await rotate(NOW)).toBe(1)
  const [current, ...rest] = await sessionKeys(directory)
  expect(current).not.toEqual(old)
  expect(rest).toEqual([old])
})

it('a key that was replaced longer ago than a session lasts is thrown away by the next rotation', async () => {
  const [first] = await sessionKeys(directory)
  await rotate(NOW)
  const [second] = await sessionKeys(directory)
  await rotate(NOW + 14 * DAY)
  expect((await sessionKeys(directory)).slice(1)).toEqual(expect.arrayContaining([first, second]))
  expect(await rotate(NOW + 14 * DAY + 1)).toBe(2)
  expect(await sessionKeys(directory)).not.toContainEqual(first)
})

it('retiring leaves the new key alone', async () => {
  const [old] = await sessionKeys(directory)
  await rotate(NOW)
  expect(await rotate(NOW + 1, true)).toBe(0)
  const keys = await sessionKeys(directory)
  expect(keys).toHaveLength(1)
  expect(keys).not.toContainEqual(old)
  expect(await readdir(directory)).toEqual(['session.key'])
})

it('every key is for nobody but its owner, and one that is damaged is not passed over', async () => {
  await sessionKeys(directory)
  await rotate(NOW)
  for (const name of await readdir(directory))
    expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600)
  await writeFile(join(directory, `session.${NOW}.key`), 'x')
  await expect(sessionKeys(directory)).rejects.toMatchObject({ code: 'key_unusable' })
})

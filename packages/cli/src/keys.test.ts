import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ensureKey, readKey } from './keys.ts'

let directory: string
let file: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mux-keys-'))
  file = join(directory, 'keys', 'session.key')
})
afterEach(() => rm(directory, { recursive: true }))

it('a key is made once, of 32 bytes, for nobody but its owner', async () => {
  const key = await ensureKey(file)
  expect(key).toHaveLength(32)
  expect(await ensureKey(file)).toEqual(key)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(join(directory, 'keys'))).mode & 0o777).toBe(0o700)
  expect(await readdir(join(directory, 'keys'))).toEqual(['session.key'])
})

it('processes that ask for it at the same moment get the same one', async () => {
  const program = fileURLToPath(new URL('fixtures/ensure-key.ts', import.meta.url))
  const children = Array.from({ length: 6 }, () => fork(program, [file]))
  const keys = await Promise.all(children.map(async (child) => (await once(child, 'message'))[0] as string))
  expect(new Set(keys)).toEqual(new Set([(await readFile(file, 'utf8')).trim()]))
})

it('one that is not there is not made by looking for it', async () => {
  expect(await readKey(file)).toBeUndefined()
})

it('one that others can read is refused, and stays as it is', async () => {
  await ensureKey(file)
  const text = await readFile(file, 'utf8')
  await chmod(file, 0o644)
  await expect(ensureKey(file)).rejects.toMatchObject({ code: 'key_exposed', exitCode: 6 })
  expect(await readFile(file, 'utf8')).toBe(text)
})

it.each([
  ['blank', ' \n'],
  ['too short', Buffer.alloc(31).toString('base64')],
  ['of another alphabet', Buffer.alloc(32, 255).toString('base64url')],
  ['cut off', Buffer.alloc(32).toString('base64').slice(0, -2)],
])('one that is %s is refused, and the error does not repeat it', async (_, text) => {
  await mkdir(join(directory, 'keys'))
  await writeFile(file, text, { mode: 0o600 })
  const refused = await ensureKey(file).catch((error: unknown) => error as Error)
  expect(refused).toMatchObject({ code: 'key_unusable', message: expect.stringContaining(file) })
  expect((refused as Error).message).not.toContain(text)
  expect(await readFile(file, 'utf8')).toBe(text)
})

it('a directory in its place is refused', async () => {
  await mkdir(file, { recursive: true })
  await expect(ensureKey(file)).rejects.toMatchObject({ code: 'key_unusable' })
})

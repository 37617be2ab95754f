import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { prepareDwelling } from './dwelling.ts'
import { define } from './fixtures/laboratory.ts'
import { repairDirectory } from './replace-directory.ts'

function makeRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'mux-replace-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  return root
}

it('what was killed between its two steps is taken back, also behind a link, and nothing else is', async () => {
  const root = makeRoot()
  mkdirSync(join(root, 'one.replaced'))
  mkdirSync(join(root, 'disk.replaced'))
  symlinkSync('disk', join(root, 'linked'))
  mkdirSync(join(root, 'whole/old'), { recursive: true })
  mkdirSync(join(root, 'whole.replaced'))
  for (const name of ['one', 'linked', 'whole']) await repairDirectory(join(root, name))
  expect([existsSync(join(root, 'one')), existsSync(join(root, 'disk'))]).toEqual([true, true])
  expect(readdirSync(join(root, 'whole'))).toEqual(['old'])
})

it('an instance that starts after that finds its data, and not an empty directory', async () => {
  const state = makeRoot()
  mkdirSync(join(state, 'data/one.replaced/old'), { recursive: true })
  await prepareDwelling(state, define('one', 'serves.mjs'), 'one.1.0', new AbortController().signal)
  expect(readdirSync(join(state, 'data/one'))).toEqual(['old'])
})

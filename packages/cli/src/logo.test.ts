import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryDirectory } from './fixtures/run-mux.ts'
import { readLogo } from './logo.ts'

it('a logo becomes part of the page', async () => {
  const file = join(temporaryDirectory(), 'logo.SVG')
  writeFileSync(file, '<svg/>')
  expect(await readLogo(file)).toBe('data:image/svg+xml;base64,PHN2Zy8+')
})

it.each([
  ['is not there', () => {}, 'ENOENT'],
  ['is a directory', (file: string) => mkdirSync(file), 'not a file'],
  ['is large', (file: string) => writeFileSync(file, 'x'.repeat(65_537)), '64 KiB'],
])('one that %s is refused with a reason', async (_what, make, reason) => {
  const file = join(temporaryDirectory(), 'logo.png')
  make(file)
  await expect(readLogo(file)).rejects.toMatchObject({
    code: 'file_unusable',
    message: expect.stringContaining(reason),
  })
})

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { TALLY_FILE } from './tally-reporter.ts'

const root = join(import.meta.dirname, '..')
const scratch = mkdtempSync(join(tmpdir(), 'mux-tally-'))
// The samples import vitest.
symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'))
afterAll(() => rmSync(scratch, { recursive: true }))

it('every test counts once, with the reason if it was skipped, and what it said if it or its set-up failed', () => {
  writeFileSync(
    join(scratch, 'sample.test.ts'),
    `import { beforeAll, describe, it } from 'vitest'
    it('holds', () => {})
    it('does not', () => { throw new Error('no') })
    it('cannot', (context) => { context.skip('no chromium here') })
    describe('without its set-up', () => {
      beforeAll(() => { throw new Error('no server') })
      it('is not reached', () => {})
    })`,
  )
  writeFileSync(join(scratch, 'broken.test.ts'), `import './nowhere.ts'`)
  const file = join(scratch, 'tally.json')
  const reporter = join(import.meta.dirname, 'tally-reporter.ts')
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  spawnSync(process.execPath, [vitest, 'run', '--root', scratch, `--reporter=${reporter}`], {
    env: { ...process.env, [TALLY_FILE]: file },
    timeout: 100_000,
  })
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
    passed: 1,
    failed: 3,
    failures: [
      expect.stringMatching(/^broken.test.ts: Cannot find module '.\/nowhere.ts'/),
      'sample.test.ts > does not: no',
      'sample.test.ts > without its set-up > is not reached: no server',
    ],
    skipped: ['cannot: no chromium here'],
  })
})

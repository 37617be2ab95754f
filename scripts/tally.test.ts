import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { lastLine, readTap, readUnittest, skipLines, sum } from './tally.ts'

const scratch = mkdtempSync(join(tmpdir(), 'mux-tally-'))
afterAll(() => rmSync(scratch, { recursive: true }))

it('the last line names what was skipped only if something was', () => {
  expect(lastLine({ passed: 3, failed: 0, skipped: [] })).toBe('3 passed, 0 failed')
  expect(lastLine({ passed: 3, failed: 1, skipped: ['a: b'] })).toBe('3 passed, 1 failed, 1 skipped')
})

it('runs are added up, and every reason is kept', () => {
  const one = { passed: 1, failed: 2, failures: ['c: d'], skipped: ['a: b'] }
  expect(sum([one, one])).toEqual({
    passed: 2,
    failed: 4,
    failures: ['c: d', 'c: d'],
    skipped: ['a: b', 'a: b'],
  })
  expect(sum([])).toEqual({ passed: 0, failed: 0, failures: [], skipped: [] })
})

it('a reason that a file prints for a whole part stands for its tests', () => {
  const tally = {
    passed: 1,
    failed: 0,
    failures: [],
    skipped: ['a: no reason given', 'b: no gunicorn', 'c: no reason given'],
  }
  expect(skipLines(tally, 'stderr | a.test.ts\nskipped: a browser, since there is none\n')).toEqual([
    'skipped: a browser, since there is none',
    'skipped: b: no gunicorn',
  ])
  expect(skipLines(tally, 'skippedness\n')).toHaveLength(3)
})

it("what Node's own runner prints is counted, with the reasons of what it skipped", () => {
  const file = join(scratch, 'sample.test.mjs')
  writeFileSync(
    file,
    `import { test } from 'node:test'
    test('holds', () => {})
    test('does not', () => { throw new Error('no') })
    test('is left out', { skip: 'no chromium here' }, () => {})`,
  )
  const { stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', file], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
    timeout: 100_000,
  })
  expect(readTap(stdout)).toEqual({
    passed: 1,
    failed: 1,
    failures: ['does not'],
    skipped: ['is left out: no chromium here'],
  })
})

it('a run of Node that was cut off counts for nothing', () => {
  expect(readTap('TAP version 13\nok 1 - holds\n# pass 1\n')).toBeUndefined()
})

it.each([
  ['Ran 3 tests in 0.1s\n\nOK\n', { passed: 3, failed: 0, failures: [], skipped: [] }],
  [
    'FAIL: test_a (test_site.Site.test_a)\nERROR: test_b (test_site.Site.test_b)\nRan 3 tests in 0.1s\n\nFAILED (failures=1, errors=1)\n',
    {
      passed: 1,
      failed: 2,
      failures: ['test_a (test_site.Site.test_a)', 'test_b (test_site.Site.test_b)'],
      skipped: [],
    },
  ],
  [
    "test_a (test_site.Site.test_a) ... skipped 'no gunicorn'\nRan 2 tests in 0.1s\n\nOK (skipped=1)\n",
    { passed: 1, failed: 0, failures: [], skipped: ['test_a: no gunicorn'] },
  ],
])("what Python's runner prints is counted: %j", (output, expected) => {
  expect(readUnittest(output)).toEqual(expected)
})

it('a run of Python that was cut off counts for nothing', () => {
  expect(readUnittest('test_a (test_site.Site.test_a) ... ok\n')).toBeUndefined()
})

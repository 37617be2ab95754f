import { expect, it } from 'vitest'
import { trimBlanks } from './trim-blanks.ts'

it.each([
  ['', ''],
  [' \t ', ''],
  ['a', 'a'],
  ['  a b\t', 'a b'],
  ['\u00a0a\u2000', '\u00a0a\u2000'],
  ['\na\r', '\na\r'],
])('%j without blanks around it is %j', (given, trimmed) => {
  expect(trimBlanks(given)).toBe(trimmed)
})

it('takes no time for a flood of blanks in the middle', () => {
  const text = `a${' '.repeat(1_000_000)}b`
  const before = process.cpuUsage()
  expect(trimBlanks(text)).toBe(text)
  // Microseconds; a look at each blank for each of them takes minutes.
  expect(process.cpuUsage(before).user).toBeLessThan(5_000_000)
})

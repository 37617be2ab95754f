import { expect, it } from 'vitest'
import { lastLines, printable } from './last-lines.ts'

it.each([
  ['one\ntwo\nthree\n', 2, ['two', 'three']],
  ['one\ntwo', 5, ['one', 'two']],
  ['one\r\n\u001b[2Jtwo\n', 5, ['one', String.raw`\x1b[2Jtwo`]],
  ['', 5, []],
  ['x'.repeat(1_000_000), 5, ['x'.repeat(2_000)]],
])('the last lines of a text, fit to be shown (%#)', (text, lines, shown) => {
  expect(lastLines(text, lines)).toEqual(shown)
})

it.each([
  ['plain ö 漢 👩‍💻 \t tab', 'plain ö 漢 👩‍💻 \t tab'],
  ['\u001b[2J\u0007', String.raw`\x1b[2J\x07`],
  ['a\rb\0', String.raw`a\x0db\x00`],
  ['\u009b31m', String.raw`\x9b31m`],
  ['abc\u202Etxt.exe', String.raw`abc\x202etxt.exe`],
])('%j is shown as %j', (text, shown) => {
  expect(printable(text)).toBe(shown)
})

import { expect, it } from 'vitest'
import { nextCut } from './line-cut.ts'

const LIMITS = { soft: 10, hard: 20 }

it.each([
  ['a line that fits', 'abc\n', 0, 4, false],
  ['a line that fills the file to its soft limit', 'abc\n', 6, 4, true],
  ['a line that ends just before it', 'abc\n', 5, 4, false],
  ['several lines, of which one crosses it', 'a\nb\nc\nd\n', 7, 4, true],
  ['half a line beyond it', 'abc', 12, 3, false],
  ['the rest of a line, and the next', 'abc\ndef\n', 12, 4, true],
  ['a line that ends with the last byte there is room for', 'abc\n', 16, 4, true],
  ['a line that is longer than the room', 'abcdefgh\n', 14, 6, true],
  ['half a line that fills all the room', 'abcd', 16, 4, true],
  ['more than a file without the end of a line', 'x'.repeat(50), 0, 20, true],
])('%s', (_, text, size, length, full) => {
  expect(nextCut(Buffer.from(text), size, LIMITS)).toEqual({ length, full })
})

it('every line that is no longer than the room between the limits stays whole, and no file passes the hard one', () => {
  const lines = Array.from({ length: 2_000 }, (_, n) => `${'x'.repeat((n * 7) % 10)}\n`)
  const text = Buffer.from(lines.join(''))
  const files = ['']
  for (let begin = 0; begin < text.length; begin += 13) {
    let piece = text.subarray(begin, begin + 13)
    while (piece.length > 0) {
      const { length, full } = nextCut(piece, files.at(-1)!.length, LIMITS)
      files[files.length - 1] += piece.subarray(0, length).toString()
      if (full) files.push('')
      piece = piece.subarray(length)
    }
  }
  expect(files.join('')).toBe(text.toString())
  expect(files.filter((file) => file.length > LIMITS.hard)).toEqual([])
  expect(files.slice(0, -1).filter((file) => !file.endsWith('\n'))).toEqual([])
})

import { describe, expect, it } from 'vitest'
import * as render from './render.ts'

const COLUMNS = [
  { header: 'name', value: (row: { name: string; count: number }) => row.name },
  { header: 'count', value: (row: { count: number }) => String(row.count), align: 'right' as const },
]
const ROWS = [
  { name: 'a', count: 1 },
  { name: 'longer', count: 12_345 },
]

describe('a table', () => {
  it('has its columns under each other', () => {
    expect(render.table(COLUMNS, ROWS, 80)).toBe('NAME    COUNT\na           1\nlonger  12345')
  })

  it('is stacked where it does not fit, and cut nowhere', () => {
    expect(render.table(COLUMNS, ROWS, 10)).toBe('name   a\ncount  1\n\nname   longer\ncount  12345')
  })

  it('shows control characters instead of obeying them', () => {
    expect(render.table(COLUMNS, [{ name: '\u001b[2Ja\u202e', count: 1 }], 80)).toContain('\\x1b[2Ja\\u202e')
  })
})

it('a table leaves out what a narrow terminal has no room for', () => {
  const layouts = [COLUMNS, COLUMNS.slice(0, 1)]
  expect(render.fittingTable(layouts, ROWS, 13)).toBe(render.table(COLUMNS, ROWS, 13))
  expect(render.fittingTable(layouts, ROWS, 12)).toBe('NAME\na\nlonger')
  expect(render.fittingTable(layouts, ROWS, 3)).toBe('name  a\n\nname  longer')
})

it('labels stand beside their values, which are wrapped at spaces', () => {
  expect(
    render.fields(
      [
        ['a', 'one two three four five'],
        ['long', 'x'],
        ['', ''],
      ],
      20,
    ),
  ).toBe('a     one two three four\n      five\nlong  x\n')
})

it.each([
  [500, '500ms'],
  [1000, '1s'],
  [90_000, '90s'],
  [1_800_000, '30m'],
  [86_400_000, '24h'],
])('%i ms are written %s', (milliseconds, text) => expect(render.duration(milliseconds)).toBe(text))

it.each([
  [2 ** 29, '512MiB'],
  [2 ** 31, '2GiB'],
])('%i bytes are written %s', (bytes, text) => expect(render.size(bytes)).toBe(text))

import { expect, it } from 'vitest'
import { createEventLog, type LogEvent } from './event-log.ts'

const now = () => new Date('2026-11-22T10:00:00.000Z')

function lineOf(event: LogEvent): string {
  const lines: string[] = []
  createEventLog((line) => lines.push(line), now)(event)
  expect(lines).toHaveLength(1)
  return lines[0]!
}

it('an event is one line of named fields, the time and its name first', () => {
  expect(lineOf({ event: 'ready', instance: 'django2', pid: 42, took: 1.5 })).toBe(
    'time=2026-11-22T10:00:00.000Z event=ready instance=django2 pid=42 took=1.5\n',
  )
})

it.each([
  ['a space', 'a b', '"a b"'],
  ['a quote', 'a"b', '"a\\"b"'],
  ['a line end', 'a\nevent=forged', '"a\\nevent=forged"'],
  ['an escape sequence', '\u001b[2J', '"\\u001b[2J"'],
  ['a C1 control', '\u009b2J', '"\\u009b2J"'],
  ['a line separator', 'a\u2028b', '"a\\u2028b"'],
  ['a change of direction', 'a\u202eb', '"a\\u202eb"'],
  ['nothing', '', '""'],
  ['an object', { a: 1 }, '"{\\"a\\":1}"'],
])('a value with %s stays inside its field', (_, value, written) => {
  expect(lineOf({ event: 'x', value })).toBe(`time=2026-11-22T10:00:00.000Z event=x value=${written}\n`)
})

it('an error is told with its cause and without its stack', () => {
  const error = new Error('outer', { cause: Object.assign(new Error('inner'), { code: 'EACCES' }) })
  expect(lineOf({ event: 'x', error })).toContain('error="Error: outer (Error EACCES: inner)"')
})

it('a field without a value is left out', () => {
  expect(lineOf({ event: 'x', instance: undefined, reason: null })).toBe(
    'time=2026-11-22T10:00:00.000Z event=x\n',
  )
})

it('a line is never longer than 2 kB, whatever a field holds', () => {
  const line = lineOf({ event: 'x', path: 'a'.repeat(1_000_000) })
  expect(line.length).toBeLessThanOrEqual(2001)
  expect(line.endsWith('…\n')).toBe(true)
})

import { appendFileSync, closeSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory } from './fixtures/laboratory.ts'
import { LogFile, printable } from './log-file.ts'

function logFile(): LogFile {
  return new LogFile(join(temporaryDirectory(), 'logs', 'django1.log'))
}

describe('a log file', () => {
  it('is private, appended to, and made again with its directory when it was deleted', () => {
    const log = logFile()
    for (const text of ['one\n', 'two\n']) {
      const { descriptor } = log.open()
      writeFileSync(descriptor, text)
      closeSync(descriptor)
    }
    expect(log.tail(20)).toEqual(['one', 'two'])
    expect(statSync(log.path).mode & 0o777).toBe(0o600)
    rmSync(join(log.path, '..'), { recursive: true })
    closeSync(log.open().descriptor)
    expect(log.tail(20)).toEqual([])
  })

  it('tells the last lines, and only those of the present generation', () => {
    const log = logFile()
    closeSync(log.open().descriptor)
    appendFileSync(log.path, 'old\n')
    const { descriptor, start } = log.open()
    closeSync(descriptor)
    expect(log.tail(20, start)).toEqual([])
    appendFileSync(log.path, Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join(''))
    expect(log.tail(2, start)).toEqual(['line 28', 'line 29'])
    expect(log.tail(100, start)).toHaveLength(30)
    writeFileSync(log.path, 'new')
    expect(log.tail(20, start)).toEqual(['new'])
  })

  it('of a gigabyte without a newline is told in a line of bounded length', () => {
    const log = logFile()
    closeSync(log.open().descriptor)
    appendFileSync(log.path, 'x'.repeat(1_000_000))
    expect(log.tail(20).map((line) => line.length)).toEqual([2_000])
  })

  it('is not written through a link that somebody put in its place', () => {
    const log = logFile()
    closeSync(log.open().descriptor)
    rmSync(log.path)
    symlinkSync('/tmp/elsewhere', log.path)
    expect(() => log.open()).toThrow(/ELOOP/)
  })

  it('that is missing has no last lines', () => {
    expect(logFile().tail(20)).toEqual([])
  })
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

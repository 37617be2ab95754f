import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { define, temporaryDirectory } from './fixtures/laboratory.ts'
import { readSecrets } from './secrets.ts'

function secretIn(directory: string, text: string, mode = 0o600) {
  const secretFile = join(directory, 'secret')
  writeFileSync(secretFile, text)
  chmodSync(secretFile, mode)
  return define('django1', 'serves', { settings: { PLAIN: 'x', KEY: { secretFile } } })
}

describe('a secret', () => {
  it.each([
    ['abc', 'abc'],
    ['abc\n', 'abc'],
    ['abc\r\n', 'abc'],
    ['abc\n\n', 'abc\n'],
    ['', ''],
    ['ö\n', 'ö'],
  ])('written as %j is %j', (text, value) => {
    expect(readSecrets(secretIn(temporaryDirectory(), text))).toEqual({ KEY: value })
  })

  it.each([0o640, 0o604, 0o622])('in a file of mode %o is refused, and its text is not told', (mode) => {
    const definition = secretIn(temporaryDirectory(), 'hush', mode)
    expect(() => readSecrets(definition)).toThrow(/^settings\.KEY: others may read/)
    expect(() => readSecrets(definition)).not.toThrow(/hush/)
  })

  it('that is no file of a usable size is refused', () => {
    const directory = temporaryDirectory()
    expect(() => readSecrets(secretIn(directory, 'x'.repeat(128 * 1024 + 1)))).toThrow(
      /is not a file of at most/,
    )
    const at = (secretFile: string) => define('django1', 'serves', { settings: { KEY: { secretFile } } })
    expect(() => readSecrets(at(join(directory, 'missing')))).toThrow(
      'settings.KEY: its secret does not exist.',
    )
    mkdirSync(join(directory, 'folder'), { mode: 0o700 })
    expect(() => readSecrets(at(join(directory, 'folder')))).toThrow(/is not a file/)
    execFileSync('mkfifo', ['-m', '600', join(directory, 'pipe')])
    expect(() => readSecrets(at(join(directory, 'pipe')))).toThrow(/is not a file/)
  })
})

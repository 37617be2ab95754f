import { expect, it } from 'vitest'
import { isIgnored } from './idle-ignore.ts'

it.each([
  ['/ping', ['/ping'], true],
  ['/ping?from=monitor', ['/ping'], true],
  ['/ping/', ['/ping'], false],
  ['/pings', ['/ping'], false],
  ['/Ping', ['/ping'], false],
  ['/%70ing', ['/ping'], false],
  ['/a/../ping', ['/ping'], false],
  ['/health/db?deep', ['/ping', '/health/*'], true],
  ['/health', ['/health/*'], false],
  ['/?next=/ping', ['/ping'], false],
  ['/anything', ['/*'], true],
  ['/ping', [], false],
])('%s against %j: %s', (target, paths, ignored) => {
  expect(isIgnored(target, paths)).toBe(ignored)
})

import { expect, it } from 'vitest'
import { isAtLeast, versionOf } from './toolchain.mjs'

it.each([
  ['22.19.0', '22.19.0', true],
  ['22.18.9', '22.19.0', false],
  ['22.9.0', '22.19.0', false],
  ['24.0.0', '22.19.0', true],
  ['20.20.2', '22.19.0', false],
  ['26.1.0-nightly', '22.19.0', true],
])('Node %s is enough where %s is asked for: %s', (version, minimum, expected) => {
  expect(isAtLeast(version, minimum)).toBe(expected)
})

it('a program that cannot run has no version, and one that can says its own', () => {
  expect(versionOf('/nowhere/node')).toBeUndefined()
  expect(versionOf(process.execPath)).toBe(process.versions.node)
})

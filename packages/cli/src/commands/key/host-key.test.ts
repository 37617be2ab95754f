import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runMux, temporaryProject } from '../../fixtures/run-mux.ts'

const keyOf = (byte: number) => `${Buffer.alloc(32, byte).toString('base64')}\n`

/** A project of a host that has, or has not, a key of its edge. */
function setUp(key?: string) {
  const cwd = temporaryProject('app: { command: node server.js }\ninstances: { django1: {} }\n')
  const keys = join(cwd, '.mux/keys')
  mkdirSync(keys, { recursive: true, mode: 0o700 })
  if (key !== undefined) writeFileSync(join(keys, 'host-web1.key'), key, { mode: 0o600 })
  const rotate = (input: string) => runMux(['key', 'rotate', '--host', 'web1', '--key-stdin'], { cwd, input })
  return { cwd, keys, rotate }
}

it('a host accepts another key of its edge besides the present one, until that is retired', async () => {
  const { cwd, keys, rotate } = setUp(keyOf(1))
  expect(await rotate(keyOf(2))).toMatchObject({ code: 0 })
  expect(readFileSync(join(keys, 'host-web1.key'), 'utf8')).toBe(keyOf(2))
  expect(readdirSync(keys).map((file) => readFileSync(join(keys, file), 'utf8'))).toContain(keyOf(1))
  const retired = await runMux(['key', 'retire', '--host', 'web1', '--yes', '--json'], { cwd })
  expect(retired.json()).toEqual({ host: 'web1', retired: 1, supervisor: 'not_running' })
  expect(readdirSync(keys)).toEqual(['host-web1.key'])
})

it.each([
  ['no key', 'nonsense\n', keyOf(1)],
  ['half a key', keyOf(2).slice(0, 20), keyOf(1)],
  ['one for a host that has none yet', keyOf(2), undefined],
])('%s on standard input is refused, never shown, and changes nothing', async (_what, input, present) => {
  const { keys, rotate } = setUp(present)
  const refused = await rotate(input)
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('[key_unusable]') })
  expect(refused.stderr).not.toContain(input.trim())
  expect(readdirSync(keys)).toEqual(present === undefined ? [] : ['host-web1.key'])
})

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runMux, temporaryProject } from '../../fixtures/run-mux.ts'

const keyOf = (byte: number) => `${Buffer.alloc(32, byte).toString('base64')}\n`

it('a host refuses what is signed with an older key of its edge or its operator, on order on that machine', async () => {
  const cwd = temporaryProject('app: { command: node server.js }\ninstances: { django1: {} }\n')
  const keys = join(cwd, '.mux/keys')
  mkdirSync(keys, { recursive: true, mode: 0o700 })
  for (const ring of ['host-web1', 'control-web1', 'host-web2']) {
    writeFileSync(join(keys, `${ring}.key`), keyOf(1), { mode: 0o600 })
    writeFileSync(join(keys, `${ring}.1795000000000.key`), keyOf(2), { mode: 0o600 })
  }
  expect((await runMux(['key', 'retire', '--host', 'web1'], { cwd })).code).toBe(2)
  const retired = await runMux(['key', 'retire', '--host', 'web1', '--yes', '--json'], { cwd })
  expect(retired.json()).toEqual({ host: 'web1', retired: 2, supervisor: 'not_running' })
  expect(readdirSync(keys).toSorted()).toEqual([
    'control-web1.key',
    'host-web1.key',
    'host-web2.1795000000000.key',
    'host-web2.key',
  ])
  expect(readFileSync(join(keys, 'host-web1.key'), 'utf8')).toBe(keyOf(1))
})

it('a rotation that broke off goes on with the same new key, and is over when that is in place', async () => {
  const cwd = temporaryProject('registry: sqlite\n')
  const keys = join(cwd, '.mux/keys')
  const rotate = () => runMux(['key', 'rotate', '--edge', '--json'], { cwd })
  const broken = () => writeFileSync(join(keys, 'edge.next.key'), keyOf(7), { mode: 0o600 })
  expect((await rotate()).json()).toEqual({ signer: 'edge', hosts: [] })
  const [older] = readdirSync(keys).filter((file) => file !== 'edge.key')
  broken()
  expect((await rotate()).code).toBe(0)
  expect(readFileSync(join(keys, 'edge.key'), 'utf8')).toBe(keyOf(7))
  const after = readdirSync(keys).toSorted()
  expect(after).toEqual([older, expect.stringMatching(/^edge\.\d{13}\.key$/), 'edge.key'])
  broken()
  expect((await rotate()).code).toBe(0)
  expect(readdirSync(keys).toSorted()).toEqual(after)
})

it.each([
  ['two kinds of keys at once', ['rotate', '--edge', '--operator'], 'usage'],
  ['hosts to leave out of what concerns none', ['rotate', '--skip', 'web1'], 'usage'],
  ['a host to leave out that there is not', ['rotate', '--edge', '--skip', 'web1'], 'host_not_found'],
  ['to retire without a word', ['retire', '--edge'], 'confirmation_needed'],
])('mux key refuses %s', async (_, args, code) => {
  const cwd = temporaryProject('registry: sqlite\n')
  const { json } = await runMux(['key', ...args, '--json'], { cwd })
  expect(json()).toMatchObject({ error: { code } })
})

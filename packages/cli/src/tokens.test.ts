import { join } from 'node:path'
import { readdirSync, readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { openSqliteRegistry } from '@mux/edge/registry'
import { expect, it, onTestFinished } from 'vitest'
import { runMux, temporaryProject } from './fixtures/run-mux.ts'

const DAY = 24 * 60 * 60 * 1000

/** A project in which there is brian. */
async function setUp() {
  const cwd = temporaryProject('app: { command: node server.js }\ninstances: { django1: {}, django2: {} }\n')
  const mux = (...args: string[]) => runMux(args, { cwd, input: 'correct horse\n' })
  const json = async <Result>(...args: string[]) => (await mux(...args, '--json')).json() as Result
  await mux('user', 'add', 'brian', '--no-password')
  const registry = openSqliteRegistry(join(cwd, '.mux/registry.sqlite'))
  onTestFinished(() => registry.close())
  return { cwd, mux, json, registry }
}

it('mux token create writes the token alone to standard output, and its SHA-256 alone to the disk', async () => {
  const { cwd, mux, registry } = await setUp()
  const began = Date.now()
  const made = await mux('token', 'create', 'Brian', '--label', 'ci', '--expires', '90d')
  const ended = Date.now()
  const token = made.stdout.trim()
  expect(made.stdout).toMatch(/^mux_[0-9a-f]{16}_[0-9a-f]{40}\n$/)
  expect(made.stderr).not.toContain(token)
  const id = token.split('_')[1]!
  const record = (await registry.read('token', id))!
  expect(record).toMatchObject({ user: 'brian', label: 'ci', used: null })
  expect(record.sha256).toBe(createHash('sha256').update(token).digest('hex'))
  const counted = Date.parse(record.expires!) - 90 * DAY
  expect(counted).toBeGreaterThanOrEqual(began)
  expect(counted).toBeLessThanOrEqual(ended)
  const files = readdirSync(join(cwd, '.mux'), { recursive: true, withFileTypes: true })
  const secret = token.split('_')[2]!
  for (const file of files.filter((one) => one.isFile()))
    expect(readFileSync(join(file.parentPath, file.name)).includes(secret)).toBe(false)
})

it('mux token list tells whose, what for, until when and when last used, and never the token', async () => {
  const { mux, json } = await setUp()
  await mux('user', 'add', 'graham', '--no-password')
  const { id, token } = await json<{ id: string; token: string }>('token', 'create', 'brian', '--label', 'ci')
  await mux('token', 'create', 'graham')
  const table = (await mux('token', 'list')).stdout
  expect(table).toMatch(new RegExp(`^${id} +brian +ci +never +-$`, 'm'))
  expect(table).not.toContain(token.split('_')[2])
  const listed = await json<{ tokens: object[] }>('token', 'list', '--user', 'brian')
  expect(listed.tokens).toEqual([
    { id, user: 'brian', label: 'ci', expires: null, expired: false, used: null, problem: null },
  ])
})

it('mux token revoke takes an id, or the token itself as it was found', async () => {
  const { mux, json, registry } = await setUp()
  const [one, two] = [
    await json<{ id: string; token: string }>('token', 'create', 'brian'),
    await json<{ id: string; token: string }>('token', 'create', 'brian'),
  ]
  expect(await mux('token', 'revoke', one.id)).toMatchObject({ code: 0 })
  const revoked = await mux('token', 'revoke', two.token)
  expect(revoked).toMatchObject({ code: 0 })
  expect(revoked.stdout + revoked.stderr).not.toContain(two.token)
  expect(await registry.list('token')).toEqual([])
  expect(await mux('token', 'revoke', one.id)).toMatchObject({ code: 3 })
})

it('a new password revokes the tokens, unless --keep-tokens', async () => {
  const { mux, json, registry } = await setUp()
  await mux('token', 'create', 'brian')
  expect(await json('user', 'password', 'brian', '--password-stdin', '--keep-tokens')).toMatchObject({
    tokens: 0,
  })
  expect(await registry.list('token')).toHaveLength(1)
  expect(await json('user', 'password', 'brian', '--no-password')).toMatchObject({ tokens: 1 })
  expect(await registry.list('token')).toEqual([])
})

it('nobody can be given a password that is spelled like a token', async () => {
  const { cwd } = await setUp()
  const input = `mux_0123456789abcdef_${'0'.repeat(40)}`
  const refused = await runMux(['user', 'password', 'brian', '--password-stdin'], { cwd, input })
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('[password_invalid]') })
})

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { InstanceRecord, UserRecord } from '@mux/contract'
import type { RegistryChange } from '@mux/edge/registry'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  ACCOUNT,
  type KvRest,
  NAMESPACE,
  startKvRest,
  TOKEN,
} from '../../../../edge/src/registry/fixtures/kv-rest.ts'
import { HASH, INSTANCE, USER } from '../../fixtures/records.ts'
import { type Ended, runMux, temporaryDirectory, temporaryProject } from '../../fixtures/run-mux.ts'
import { projectAt } from '../../project.ts'
import { withRegistry } from '../../registry.ts'

let rest: KvRest
beforeAll(async () => {
  rest = await startKvRest()
})
afterAll(() => rest.close())

let cwd: string
beforeEach(() => {
  rest.values.clear()
  rest.asked.length = 0
  rest.fault = () => undefined
  rest.stale = undefined
  cwd = temporaryProject('app: { command: node server.js }\ninstances: { django1: {} }\n')
})

const ENVIRONMENT = {
  CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
  MUX_KV_NAMESPACE: NAMESPACE,
  CLOUDFLARE_API_TOKEN: TOKEN,
  NO_COLOR: '1',
}
const mux = (
  args: string,
  { env = {}, input = '' }: { env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<Ended> =>
  runMux(['registry', ...args.split(' ')], {
    cwd,
    input,
    env: { ...ENVIRONMENT, CLOUDFLARE_API_BASE_URL: rest.url, ...env },
  })

const change = (...changes: RegistryChange[]) =>
  withRegistry(projectAt(cwd), (registry) => registry.change(() => ({ changes, result: undefined })))
const user = (name: string, record: Partial<UserRecord> | null = {}): RegistryChange => ({
  kind: 'user',
  name,
  record: record && { ...USER, ...record },
})
const instance = (name: string, record: InstanceRecord | null = INSTANCE): RegistryChange => ({
  kind: 'instance',
  name,
  record,
})
const usersHere = () => withRegistry(projectAt(cwd), (registry) => registry.list('user'))
const inKv = () => [...rest.values.keys()].sort()
const recordInKv = (key: string) => JSON.parse(rest.values.get(key)!.value) as unknown

describe('mux registry push and pull', () => {
  it('makes the registry in KV what the one of the project is, and says which that is', async () => {
    await change(instance('django1'), user('brian'), user('graham', { instance: null, target: null }))
    const ended = await mux('push')
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toBe(
      `KV namespace ${NAMESPACE} of account ${ACCOUNT}, by way of ${rest.url}\nDone in KV: wrote 2 users, 1 instance.\n`,
    )
    expect(recordInKv('user:brian')).toEqual(USER)
    expect(inKv()).toEqual(['instance:django1', 'user:brian', 'user:graham'])
  })

  it('removes what is not here only when that is confirmed, and leaves other keys alone', async () => {
    await change(instance('django1'), user('brian'), user('graham'))
    await mux('push')
    rest.values.set('ended:session', { value: '1' })
    await change(user('graham', null), user('eric'))
    const before = inKv()
    const refused = await mux('push')
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('Remove 1 user from KV?') })
    expect(inKv()).toEqual(before)
    expect(await mux('push --yes')).toMatchObject({ code: 0 })
    expect(inKv()).toEqual(['ended:session', 'instance:django1', 'user:brian', 'user:eric'])
  })

  it('gives a new project all that is in KV', async () => {
    await change(instance('django1'), user('brian'), user('graham'))
    await mux('push')
    cwd = temporaryProject('app: { command: node server.js }\ninstances: {}\n')
    const ended = await mux('pull')
    expect(ended).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Done here: wrote 2 users, 1 instance.'),
    })
    expect(await usersHere()).toEqual([
      { name: 'brian', record: USER },
      { name: 'graham', record: USER },
    ])
    expect((await mux('diff --json')).json()).toMatchObject({ differences: [] })
  })
})

it('mux registry diff shows names and fields, and nothing of what is in them', async () => {
  await change(instance('django1'), user('brian'), user('graham'))
  await mux('push')
  const other = HASH.replace('c2Fs', 'b3Ro')
  await change(
    user('brian', { password: other, version: USER.version + 1 }),
    user('eric'),
    user('graham', null),
  )
  const [text, json] = [await mux('diff'), await mux('diff --json')]
  expect(text.stdout.split('\n').slice(1)).toEqual([
    'KIND  NAME    DIFFERENCE',
    'user  brian   password, version; later here',
    'user  eric    only here',
    'user  graham  only in KV',
    '',
  ])
  expect(json.json()).toMatchObject({
    account: ACCOUNT,
    namespace: NAMESPACE,
    differences: [
      {
        kind: 'user',
        name: 'brian',
        only: null,
        fields: ['password', 'version'],
        later: 'here',
        unusable: [],
      },
      { kind: 'user', name: 'eric', only: 'here', fields: [], later: null, unusable: [] },
      { kind: 'user', name: 'graham', only: 'kv', fields: [], later: null, unusable: [] },
    ],
  })
  expect(text.stdout + json.stdout).not.toMatch(/aGFzaG|b3Ro|scrypt/)
})

it('says for how long it waits for Cloudflare, and goes on', async () => {
  await change(instance('django1'))
  let failures = 1
  rest.fault = () => (failures-- > 0 ? { status: 503 } : undefined)
  const ended = await mux('push')
  expect(ended).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^Cloudflare failed with status 503\. Next try in [12] s\.\n$/),
  })
  expect(inKv()).toEqual(['instance:django1'])
})

describe('what Cloudflare refuses', () => {
  const body = JSON.stringify({ success: false, errors: [{ code: 1, message: `no ${TOKEN}` }], result: null })
  it.each([
    [{ status: 401, body }, 'cloudflare_token_refused', 6],
    [{ status: 403, body }, 'cloudflare_forbidden', 6],
    [{ status: 404, body }, 'cloudflare_not_found', 3],
    [{ status: 400, body }, 'cloudflare_refused', 1],
    [{ status: 429, body, headers: { 'retry-after': '300' } }, 'cloudflare_rate_limited', 5],
  ])('is told by its own code, and never with the token: $status', async (fault, code, exit) => {
    rest.fault = () => fault
    const ended = await mux('push', { env: { DEBUG: '*' } })
    expect(ended.code).toBe(exit)
    expect(ended.stderr).toContain(`[${code}]`)
    expect(ended.stdout + ended.stderr).not.toContain(TOKEN)
  })
})

describe('the API token', () => {
  const without = { CLOUDFLARE_API_TOKEN: '' }
  /** A program that is called wrangler, and says this. */
  const wrangler = (script: string) => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'wrangler'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(directory, 'wrangler'), 0o755)
    return { ...without, PATH: `${directory}:/usr/bin:/bin` }
  }

  it('comes from standard input where that is asked for', async () => {
    const ended = await mux('push --token-stdin', {
      env: { CLOUDFLARE_API_TOKEN: 'another' },
      input: `${TOKEN}\n`,
    })
    expect(ended).toMatchObject({ code: 0 })
  })

  it('comes from wrangler where there is no other', async () => {
    const env = wrangler(`[ "$*" = "auth token --json" ] && echo '{"type":"oauth","token":"${TOKEN}"}'`)
    expect(await mux('push', { env })).toMatchObject({ code: 0 })
  })

  it.each([
    ['there is no wrangler', null],
    ['wrangler is not signed in', `echo 'Not logged in, ${TOKEN}' >&2; exit 1`],
    ['wrangler has a key of another sort', `echo '{"type":"api_key","key":"${TOKEN}","email":"a@b.c"}'`],
    ['wrangler says something else', `echo '<${TOKEN}>'`],
  ])('is asked for when %s', async (_what, script) => {
    const env = script === null ? { ...without, PATH: '/nonexistent' } : wrangler(script)
    const ended = await mux('push', { env: { ...env, DEBUG: '*' } })
    expect(ended).toMatchObject({ code: 6, stdout: '', stderr: expect.stringContaining('[token_missing]') })
    expect(ended.stderr).not.toContain(TOKEN)
    expect(rest.asked).toEqual([])
  })
})

describe('the account and the namespace', () => {
  const nowhere = { CLOUDFLARE_ACCOUNT_ID: undefined, MUX_KV_NAMESPACE: undefined }

  it('are those of wrangler.jsonc beside mux.yaml, of the environment that is named', async () => {
    const staging = { kv_namespaces: [{ binding: 'REGISTRY', id: NAMESPACE }] }
    writeFileSync(
      join(cwd, 'wrangler.jsonc'),
      `// ours\n${JSON.stringify({ account_id: ACCOUNT, env: { staging } })}`,
    )
    expect(await mux('diff --env staging', { env: nowhere })).toMatchObject({ code: 0 })
    expect(await mux('diff', { env: { ...nowhere, CLOUDFLARE_ENV: 'staging' } })).toMatchObject({ code: 0 })
    expect(await mux('diff', { env: nowhere })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[namespace_unknown]'),
    })
  })

  it.each([
    ['nothing says which', nowhere, 'namespace_unknown'],
    ['one is a name', { MUX_KV_NAMESPACE: 'registry' }, 'usage'],
    [
      'the token would cross a network in the clear',
      { CLOUDFLARE_API_BASE_URL: 'http://192.0.2.1/client/v4' },
      'usage',
    ],
    [
      'the URL has a password in it',
      { CLOUDFLARE_API_BASE_URL: 'https://:planted@api.example.com/' },
      'usage',
    ],
    ['the URL is none', { CLOUDFLARE_API_BASE_URL: 'api.cloudflare.com' }, 'usage'],
  ])('are refused when %s, and nobody is asked', async (_what, env, code) => {
    const ended = await mux('push', { env })
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(`[${code}]`) })
    expect(rest.asked).toEqual([])
  })
})

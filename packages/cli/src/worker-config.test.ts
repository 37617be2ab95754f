import { describe, expect, it } from 'vitest'
import {
  changeWorkerConfig,
  firstWorkerConfig,
  readWorkerConfig,
  type WorkerSettings,
} from './worker-config.ts'
import { workerTemplate } from './worker-module.ts'

const FILE = 'wrangler.jsonc'
const template = await workerTemplate()
const first = firstWorkerConfig(template, 'mux-circus', '.mux/worker/index.js')
const change = (text: string, settings: WorkerSettings, environment?: string) =>
  changeWorkerConfig(FILE, text, environment, settings)
const read = (text: string, environment?: string) => readWorkerConfig(FILE, text, environment)

describe('a first wrangler.jsonc', () => {
  it('is that of the Worker with its comments, and says nothing that mux.yaml says', () => {
    expect(first).toContain('// Never "cache"')
    expect(first).not.toContain('IDENTITY_HEADER')
    expect(read(first)).toMatchObject({
      name: 'mux-circus',
      namespace: undefined,
      account: undefined,
      workersDev: false,
      section: { main: '.mux/worker/index.js', secrets: { required: ['SESSION_KEY', 'EDGE_KEY'] } },
    })
  })

  it('counts failures apart from every other Worker, its own for staging too', () => {
    const ids = (text: string, environment?: string) =>
      (read(text, environment).section['ratelimits'] as { namespace_id: string }[]).map(
        (one) => one.namespace_id,
      )
    const other = firstWorkerConfig(template, 'mux-theatre', '.mux/worker/index.js')
    const all = [
      ...ids(first),
      ...ids(other),
      ...ids(change(first, { domain: 'a.example.com' }, 'staging'), 'staging'),
    ]
    expect(all).toHaveLength(9)
    expect(new Set(all).size).toBe(9)
    for (const id of all) expect(id).toMatch(/^[1-9]\d{0,9}$/)
    expect(firstWorkerConfig(template, 'mux-circus', '.mux/worker/index.js')).toBe(first)
  })

  it('is changed in place, and twice the same is once', () => {
    const settings = {
      account: 'a',
      namespace: 'n',
      domain: 'mux.example.com',
      compatibilityDate: '2027-01-01',
    }
    const changed = change(first, settings)
    expect(change(changed, settings)).toBe(changed)
    const { customDomains, ...rest } = read(changed)
    expect(customDomains).toEqual(['mux.example.com'])
    expect(rest).toMatchObject({ account: 'a', namespace: 'n', compatibilityDate: '2027-01-01', routes: [] })
    for (const line of first.split('\n').filter((one) => one.includes('//'))) expect(changed).toContain(line)
  })
})

describe('what an operator has written', () => {
  const THEIRS = `{
  // ours
  "name": "edge", "main": "x.js", /* kept */
  "account_id": "a",
  "routes": ["www.example.com/*", { "pattern": "mux.example.com", "custom_domain": true }],
  "kv_namespaces": [{ "binding": "OTHER", "id": "o" }],
  "vars": { "ACCESS_TEAM": "circus" },
  "ratelimits": [{ "name": "FAILURES_PAIR" }],
  "env": { "preview": { "name": "other", "workers_dev": true } },
}
`

  it('is read as wrangler reads it', () => {
    expect(read(THEIRS)).toMatchObject({ routes: ['www.example.com'], customDomains: ['mux.example.com'] })
    expect(read(THEIRS, 'preview')).toMatchObject({
      name: 'other',
      account: 'a',
      routes: [],
      workersDev: true,
    })
    expect(read(THEIRS, 'staging')).toMatchObject({ name: 'edge-staging', routes: [], customDomains: [] })
  })

  it('stays beside what is changed', () => {
    const changed = change(THEIRS, { namespace: 'n' })
    expect(changed).toContain('// ours')
    expect(changed).toContain('/* kept */')
    expect(read(changed)).toMatchObject({
      namespace: 'n',
      section: { kv_namespaces: [{ binding: 'OTHER' }, { binding: 'REGISTRY' }] },
    })
    expect(read(change(changed, { namespace: 'm' }))).toMatchObject({ namespace: 'm' })
  })

  it('is taken along into an environment that is new, but never where it serves or what it reads', () => {
    const changed = change(THEIRS, { domain: 'staging.example.com', namespace: 's' }, 'staging')
    expect(read(changed, 'staging')).toMatchObject({
      customDomains: ['staging.example.com'],
      routes: [],
      namespace: 's',
      section: {
        vars: { ACCESS_TEAM: 'circus' },
        ratelimits: [{ name: 'FAILURES_PAIR', namespace_id: expect.stringMatching(/^\d+$/) }],
      },
    })
    expect(read(changed)).toEqual(read(THEIRS))
    expect(read(change(changed, { domain: 'workers.dev' }, 'staging'), 'staging')).toMatchObject({
      customDomains: [],
      workersDev: true,
    })
  })

  it('has to have a name, and to be JSON', () => {
    expect(() => read('{}')).toThrow('it has no name')
    expect(() => change('{', { account: 'a' })).toThrow('it is not JSON with comments')
  })
})

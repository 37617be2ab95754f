import { describe, expect, it } from 'vitest'
import { CliError } from './errors.ts'
import { parseWranglerConfig } from './wrangler-config.ts'

const CONFIG = `{
  "$schema": "node_modules/wrangler/config-schema.json",
  "name": "mux-edge", // the Worker
  /* "account_id": "no", */
  "account_id": "top",
  "kv_namespaces": [
    { "binding": "OTHER", "id": "other" },
    { "binding": "REGISTRY", "id": "a//b", },
  ],
  "env": {
    "staging": { "kv_namespaces": [{ "binding": "REGISTRY", "id": "staged" }] },
    "elsewhere": { "account_id": "their" },
    "broken": 7,
  },
}`
const parse = (text: string, environment?: string) => parseWranglerConfig('wrangler.jsonc', text, environment)

describe('a configuration of wrangler says which account and namespace', () => {
  it.each([
    ['at its top', undefined, { account: 'top', namespace: 'a//b' }],
    ['in an environment, which inherits the account', 'staging', { account: 'top', namespace: 'staged' }],
    ['as production', 'production', { account: 'top', namespace: 'a//b' }],
    ['and never the binding', 'elsewhere', { account: 'their', namespace: undefined }],
  ])('%s', (_where, environment, found) => {
    expect(parse(CONFIG, environment)).toEqual(found)
  })

  it.each([
    ['{}', { account: undefined, namespace: undefined }],
    [
      '{"account_id": 7, "kv_namespaces": [null, {"binding": "REGISTRY"}]}',
      { account: undefined, namespace: undefined },
    ],
    ['{"kv_namespaces": {}}', { account: undefined, namespace: undefined }],
  ])('or does not: %s', (text, found) => {
    expect(parse(text)).toEqual(found)
  })

  it.each([
    ['half of it', CONFIG.slice(0, 200), undefined, /it is not JSON with comments/],
    ['a list', '[]', undefined, /it is not a map/],
    ['an unknown environment', CONFIG, 'preview', /no environment "preview", but the environments staging, /],
    ['one that is none', CONFIG, 'broken', /no environment "broken"/],
    ['one from the prototype', CONFIG, 'toString', /no environment "toString"/],
    ['none at all', '{}', 'staging', /but no environments/],
  ])('and is refused in one sentence: %s', (_what, text, environment, message) => {
    expect(() => parse(text, environment)).toThrow(CliError)
    expect(() => parse(text, environment)).toThrow(message)
  })
})

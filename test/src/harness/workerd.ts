import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { Miniflare } from 'miniflare'
import { NAMESPACE } from '../../../packages/edge/src/registry/fixtures/kv-rest.ts'
import { freePort } from './host.ts'
import { until } from './until.ts'

/** The longest that the Worker keeps a record before it asks KV again, in seconds. */
export const CACHE_SECONDS = 2

/** The real bundle of the Worker in workerd, with a KV namespace of its own. */
export interface Workerd {
  /** Of workerd's own socket. */
  url: string
  /** Of miniflare, which has more than the Worker. */
  entry: URL
  registry: Namespace
  close(): Promise<void>
}

export async function startWorkerd(edgeKey: Buffer): Promise<Workerd> {
  const port = await freePort()
  const miniflare = new Miniflare({
    cf: false,
    enableDevRegistry: false,
    unsafeLocalExplorer: true,
    workers: [
      {
        config: {
          ...(await workerConfiguration()),
          env: {
            REGISTRY: { type: 'kv', id: NAMESPACE },
            EDGE_KEY: { type: 'text', value: edgeKey.toString('base64') },
            SESSION_KEY: { type: 'text', value: randomBytes(32).toString('base64') },
            FAILURES_PAIR: rateLimit('1', 10),
            FAILURES_NETWORK: rateLimit('2', 100),
            FAILURES_USER: rateLimit('3', 50),
          },
        },
        // The entry of miniflare rewrites encodings and trusts headers; this is workerd itself.
        dev: { unsafeDirectSockets: [{ host: '127.0.0.1', port }] },
      },
    ],
  })
  const entry = await miniflare.ready
  const url = `http://127.0.0.1:${port}`
  const registry: Namespace = await miniflare.getKVNamespace('REGISTRY')
  await until('the Worker', async () => {
    const answer = await fetch(new URL('/_mux/health', url)).catch(() => undefined)
    return answer?.ok || undefined
  })
  return { url, entry, registry, close: () => miniflare.dispose() }
}

/** As in the configuration that is deployed, which a test of the edge compares. */
function rateLimit(namespace: string, limit: number) {
  return { type: 'rate-limit' as const, namespace, simple: { limit, period: 60 as const } }
}

/** What is used of a KV namespace, whose own types come with a package for Workers only. */
interface Namespace {
  get(key: string): Promise<string | null>
  put(key: string, value: string): Promise<void>
  list(): Promise<{ keys: { name: string }[] }>
}

/** The Worker as `mux deploy` has it, and how workerd is to run it. */
async function workerConfiguration() {
  const { resolve } = createRequire(import.meta.url)
  const source = await readFile(resolve('@mux/edge/worker'), 'utf8')
  const settings = JSON.parse(
    (await readFile(resolve('@mux/edge/wrangler.jsonc'), 'utf8')).replace(/^\s*\/\/.*$|,(?=\s*[}\]])/gm, ''),
  )
  return {
    name: 'mux-edge',
    compatibilityDate: settings.compatibility_date as string,
    compatibilityFlags: (settings.compatibility_flags ?? []) as string[],
    manifest: {
      mainModule: 'edge.js',
      modules: { 'edge.js': { type: 'esm' as const, contents: source } },
    },
  }
}

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Miniflare } from 'miniflare'
import { startAccounts } from '../../../packages/edge/src/registry/fixtures/kv-explorer.ts'
import { ACCOUNT, NAMESPACE, TOKEN } from '../../../packages/edge/src/registry/fixtures/kv-rest.ts'
import { CommandLines } from './command-lines.ts'
import { freePort, startHost } from './host.ts'
import { conformanceYaml, type Layout, LEDGER } from './layout.ts'
import { leave } from './nothing-left.ts'
import { passwordOf, Project } from './project.ts'
import { plantRecord, plantUser, readRecords } from './registry.ts'
import { until } from './until.ts'

const EDGE = join(import.meta.dirname, '../../../packages/edge')

/** The other way: the real Worker bundle in workerd with a KV namespace, before the gateway of a host. */
export async function workerLayout(): Promise<Layout> {
  const project = await Project.create('')
  await project.write('mux.yaml', conformanceYaml(project.path(LEDGER)))
  const { running, edgeKey } = await startHost(project)
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
            FAILURES_PAIR: rateLimit('1', 10),
            FAILURES_NETWORK: rateLimit('2', 100),
            FAILURES_USER: rateLimit('3', 50),
            SESSION_KEY: { type: 'text', value: randomBytes(32).toString('base64') },
          },
        },
        // The entry of miniflare rewrites encodings and trusts headers; this is workerd itself.
        dev: { unsafeDirectSockets: [{ host: '127.0.0.1', port }] },
      },
    ],
  })
  const api = await startAccounts(await miniflare.ready)
  const url = `http://127.0.0.1:${port}`
  const registry: Namespace = await miniflare.getKVNamespace('REGISTRY')
  const lines = await CommandLines.start(project, {
    CLOUDFLARE_API_BASE_URL: api.url,
    CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
    MUX_KV_NAMESPACE: NAMESPACE,
    CLOUDFLARE_API_TOKEN: TOKEN,
  })
  const valuesInKv = async () => {
    const { keys } = await registry.list()
    return new Map(await Promise.all(keys.map(async ({ name }) => [name, await registry.get(name)] as const)))
  }

  const push = async () => {
    const before = await valuesInKv()
    const { code, stderr } = await lines.run(['registry', 'push', '--yes'])
    if (code !== 0) throw new Error(`mux registry push ended with ${code}:\n${stderr}`)
    const after = await valuesInKv()
    // No test asks for a user or an instance before it has added them, so the Worker can't hold that they are absent.
    const isOther = (name: string) => before.get(name) !== after.get(name)
    const isHeld = (name: string) => before.has(name) || name.startsWith('route:')
    if ([...before.keys(), ...after.keys()].some((name) => isOther(name) && isHeld(name))) await forgotten()
  }
  /** No push takes a record along that cannot be used. */
  const copy = async (kind: string, name: string) => {
    await registry.put(`${kind}:${name}`, readRecords(project).get(`${kind}:${name}`)!)
    await forgotten()
  }
  /** The Worker holds what it has read for a few seconds: the bound that a change takes to be seen. */
  const forgotten = () => new Promise((resolve) => setTimeout(resolve, CACHE_SECONDS * 1000 + 100))

  const layout: Layout = {
    name: 'Worker',
    url,
    platformHeaders: { 'cf-connecting-ip': '127.0.0.1' },
    project,
    from: (client) => ({ headers: { 'cf-connecting-ip': `192.0.2.${client}` } }),
    async run(args, options) {
      const outcome = await project.run(args, options)
      await push()
      return outcome
    },
    async must(args, options) {
      const outcome = await project.must(args, options)
      await push()
      return outcome
    },
    async addUser(name, instance) {
      await layout.must(['user', 'add', name, '--instance', instance, '--password-stdin'], {
        input: `${passwordOf(name)}\n`,
      })
    },
    async plant(kind, name, value) {
      plantRecord(project, kind, name, value)
      await copy(kind, name)
    },
    async plantUser(user, fields) {
      plantUser(project, user, fields)
      await copy('user', user)
    },
    misdirect: (user) => layout.plantUser(user, { instance: 'ghost' }),
    async close() {
      lines.end()
      await api.close()
      await miniflare.dispose()
      await leave(project, running)
    },
  }
  await until('the Worker', async () => {
    const answer = await fetch(new URL('/_mux/health', url)).catch(() => undefined)
    return answer?.ok || undefined
  })
  return layout
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

/** The longest that the Worker keeps a record before it asks KV again, in seconds. */
const CACHE_SECONDS = 2

/** Bundles the Worker as `wrangler deploy` would, and says how workerd is to run it. */
async function workerConfiguration() {
  const directory = await mkdtemp(join(tmpdir(), 'mux-worker-'))
  try {
    const wrangler = join(
      dirname(createRequire(join(EDGE, 'package.json')).resolve('wrangler/package.json')),
      'bin/wrangler.js',
    )
    await promisify(execFile)(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', directory], {
      cwd: EDGE,
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: '1' },
      timeout: 60_000,
    })
    const source = await readFile(join(directory, 'worker.js'), 'utf8')
    const settings = JSON.parse(
      (await readFile(join(EDGE, 'wrangler.jsonc'), 'utf8')).replace(/^\s*\/\/.*$|,(?=\s*[}\]])/gm, ''),
    )
    return {
      name: 'mux-edge',
      compatibilityDate: settings.compatibility_date as string,
      compatibilityFlags: (settings.compatibility_flags ?? []) as string[],
      manifest: {
        mainModule: 'worker.js',
        modules: { 'worker.js': { type: 'esm' as const, contents: source } },
      },
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
